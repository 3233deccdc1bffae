# Sourced by the scripts beside it, after they changed to the root of the repository.
#
# `.venv` holds the server, the command line and the tools; each folder in `.venvs` stands for the Python of a
# model. An environment is created once, and again when its Python or its requirements change.

# pip trusts the machine's certificates; uv does so only with this setting.
export UV_SYSTEM_CERTS=true
# uv would download interpreters from a host other than a package registry.
export UV_PYTHON_DOWNLOADS=never

say() {
    printf '== %s\n' "$*" >&2
}

# fail MESSAGE HINT
fail() {
    printf 'error: %s\n\nhint: %s\n' "$1" "$2" >&2
    exit 1
}

# runs COMMAND CONDITION: prints the path of that Python if it exists and its version `v` meets the condition.
runs() {
    "$1" -c "import sys; v = sys.version_info[:2]; print(sys.executable) if $2 else sys.exit(1)" 2>/dev/null
}

# first_python 14 13: Python 3.14 if installed, else 3.13, from PATH or from pyenv, where a command on PATH need
# not have a Python behind it.
first_python() {
    versions=${PYENV_ROOT:-$(pyenv root 2>/dev/null || echo "${HOME:-}/.pyenv")}/versions
    for minor in "$@"; do
        for candidate in "python3.$minor" "$versions/3.$minor".*/bin/python; do
            runs "$candidate" "v == (3, $minor)" && return
        done
    done
    return 1
}

# Debian ships Python without ensurepip, which `python -m venv` needs.
require_venv_module() {
    "$1" -c 'import ensurepip' 2>/dev/null && return
    package=$("$1" -c 'import sys; print("python3.%d-venv" % sys.version_info[1])')
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
        say "installing the Debian package $package"
        apt-get update -qq >&2
        DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$package" >&2
    else
        fail "$1 cannot create virtual environments: it has no module ensurepip" \
            "on Debian: apt-get install $package, as root"
    fi
}

# key PYTHON UV_ARGUMENT...: a checksum of everything that an environment depends on.
key() {
    {
        echo "$PWD" "$@"
        "$1" -VV
        cat pyproject.toml requirements-dev.txt examples/*/requirements.txt
    } | cksum
}

# install PYTHON UV_ARGUMENT...
install() {
    into=$1
    shift
    .venv/bin/uv pip install --quiet --python "$into" "$@"
}

# own_environment EXTRA: `.venv` with pycoglet and its extra `all` or `dev`, as pinned in requirements-dev.txt.
own_environment() {
    if ! runs .venv/bin/python "v >= (3, 11) and __import__('pip')" >/dev/null; then
        python=$(runs python3 "v >= (3, 11)" || first_python 14 13 12 11) ||
            fail "no Python 3.11 or newer found" "install one, and put it on PATH as python3 or python3.13"
        require_venv_module "$python"
        say "making .venv with $python"
        "$python" -m venv --clear .venv
    fi
    # uv reads no configuration of pip, where a company names its index. Tests run uv as well.
    index=${PIP_INDEX_URL:-$(.venv/bin/python -m pip config get global.index-url 2>/dev/null || true)}
    [ -z "$index" ] || export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$index}"
    wanted=$(key .venv/bin/python)
    case $(cat .venv/made-of 2>/dev/null) in
    "$1 $wanted" | "dev $wanted") return ;;
    esac
    say "installing pycoglet[$1] into .venv"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check "$(grep '^uv==' requirements-dev.txt)"
    install .venv/bin/python -c requirements-dev.txt -e ".[$1]"
    echo "$1 $wanted" >.venv/made-of
}

# model_environment NAME PYTHON UV_ARGUMENT...: `.venvs/NAME` with the given arguments of `uv pip install`.
model_environment() {
    name=$1
    python=$2
    shift 2
    wanted=$(key "$python" "$@")
    if [ "$(cat ".venvs/$name/made-of" 2>/dev/null)" = "$wanted" ]; then
        return
    fi
    say "making .venvs/$name with $("$python" -V)"
    .venv/bin/uv venv --quiet --clear --python "$python" ".venvs/$name"
    install ".venvs/$name/bin/python" "$@"
    echo "$wanted" >".venvs/$name/made-of"
}

# All models in examples/ share one.
examples_environment() {
    set -- -e .
    for requirements in examples/*/requirements.txt; do
        set -- "$@" -r "$requirements"
    done
    model_environment examples .venv/bin/python "$@"
}
