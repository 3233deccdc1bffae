"""Selection of the pycoglet release for an image: the running one, unless the user names another."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.version import InvalidVersion, Version

from coglet_cli.dockerfile import Packages
from coglet_cli.errors import UserError
from coglet_cli.python_env.wheel import model_wheel, server_wheel, wheel_name
from coglet_cli.version import DISTRIBUTION

# In this order. SDK and runtime are one distribution, so the variables for both have the same meaning.
VARIABLES: Final = ("COG_SDK_WHEEL", "COG_WHEEL", "COGLET_WHEEL")
PRERELEASE: Final = "prerelease"
# Our first release. Those of Cog have other version numbers and packages.
MINIMUM_VERSION: Final = "0.1.0"
_INDEX: Final = "pypi"


@dataclass(frozen=True)
class Sdk:
    """What to install, the files that the build context needs for it, and its source for messages."""

    packages: Packages
    files: Mapping[str, bytes]
    source: str
    warnings: tuple[str, ...] = ()


def choose_sdk(environ: Mapping[str, str], sdk_version: str | None) -> Sdk:
    """Return the SDK of the first variable that is set, else `build.sdk_version`, else the running release.

    Raises UserError if the version is too old or the path has no suitable wheel.
    """
    for variable in VARIABLES:
        if value := environ.get(variable):
            return _from_variable(variable, value)
    if sdk_version == PRERELEASE:
        packages = Packages(DISTRIBUTION, f'"{DISTRIBUTION}[server]"', allow_prereleases=True)
        warning = "build.sdk_version is `prerelease`: later builds may get another release"
        return Sdk(packages, {}, "build.sdk_version", (warning,))
    if sdk_version:
        return _from_index(pep440(sdk_version), "build.sdk_version")
    return _staged(model_wheel(), server_wheel(), wheel_name(), "the wheel inside cog")


def pep440(version: str) -> str:
    """Return `1.2.0-rc1` in its PEP 440 form `1.2.0rc1`; text that is not a version is unchanged."""
    try:
        return str(Version(version))
    except InvalidVersion:
        return version


def _from_variable(variable: str, value: str) -> Sdk:
    if value == _INDEX:
        return Sdk(Packages(DISTRIBUTION, f'"{DISTRIBUTION}[server]"'), {}, variable)
    if value.startswith(f"{_INDEX}:"):
        return _from_index(pep440(value.removeprefix(f"{_INDEX}:")), variable)
    if value.startswith(("http://", "https://")):
        model = f'"{DISTRIBUTION} @ {value}"'
        return Sdk(Packages(model, f'"{DISTRIBUTION}[server] @ {value}"'), {}, variable)
    path = Path(value).expanduser()
    file = _wheel_in(path, variable) if path.is_dir() else path
    if not file.is_file():
        raise UserError(f"{variable}: path not found: {value}")
    data = file.read_bytes()
    return _staged(data, data, file.name, variable)


def _from_index(version: str, source: str) -> Sdk:
    if _is_too_old(version):
        raise UserError(
            f"cog version {version} is below the minimum required version {MINIMUM_VERSION}",
            hint=f"{source} must be a version of {DISTRIBUTION}; unset, images get the version of this cog",
        )
    return Sdk(Packages(f'"{DISTRIBUTION}=={version}"', f'"{DISTRIBUTION}[server]=={version}"'), {}, source)


def _is_too_old(version: str) -> bool:
    """Return True for versions before the first release, and for text that is not a version.

    `1.2.*` counts as 1.2.
    """
    try:
        return Version(Version(version.removesuffix(".*")).base_version) < Version(MINIMUM_VERSION)
    except InvalidVersion:
        return True


def _staged(model: bytes, server: bytes, name: str, source: str) -> Sdk:
    packages = Packages(f"/tmp/model/{name}", f'"/tmp/server/{name}[server]"', is_staged=True)
    return Sdk(packages, {f"model/{name}": model, f"server/{name}": server}, source)


def _wheel_in(folder: Path, variable: str) -> Path:
    pattern = f"{DISTRIBUTION}-*.whl"
    wheels = sorted(folder.glob(pattern))
    if not wheels:
        raise UserError(f"{variable}: no wheel matching '{pattern}' found in {folder}")
    fitting = [wheel for wheel in wheels if wheel.name.endswith(("-none-any.whl", "x86_64.whl"))]
    if not fitting:
        raise UserError(
            f"{variable}: no wheel for platform amd64 found in {folder} "
            f"(found {len(wheels)} for other platforms)"
        )
    if len(fitting) > 1:
        raise UserError(
            f"{variable}: multiple wheels matching '{pattern}' found in {folder} "
            "— specify the exact file path"
        )
    return fitting[0]
