# Sourced by scripts/test: what integration/docker needs. The tests start an engine when none runs, and make their
# base image with debootstrap. Debian's packages are installed where that is allowed; where CI may, it must.
install_for_docker() {
    command -v apt-get >/dev/null && [ "$(id -u)" -eq 0 ] || return 1
    say "installing the Debian package $1"
    apt-get update -qq >&2 &&
        DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$1" >&2
}

for pair in dockerd:docker.io debootstrap:debootstrap docker-registry:docker-registry; do
    command -v "${pair%%:*}" >/dev/null || install_for_docker "${pair#*:}" || {
        [ "${CI:-}" != true ] || fail "the tests with Docker need ${pair%%:*}" "apt-get install ${pair#*:}, as root"
        cannot "the tests with Docker: ${pair%%:*} is not installed (on Debian: apt-get install ${pair#*:}, as root)"
    }
done
