"""Python versions that Debian does not have, copied from pyenv on this machine, and base images for them."""

import io
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Final

import docker
from docker.errors import ImageNotFound
from integration.docker.engine import BASE, CannotRun

_DOCKERFILE: Final = f"FROM {BASE}\nCOPY python /usr/local\nRUN ldconfig\n"
# Parts that no model needs, and packages that were installed here for other purposes.
_LEFT_OUT: Final = ("test", "idlelib")


def ensure_other_base(client: docker.DockerClient, version: str) -> None:
    """Make the image that Docker Hub has under this name, once per machine. Raises CannotRun."""
    try:
        client.images.get(f"python:{version}-slim")
    except ImageNotFound:
        folder = pyenv_folder(version)
        with tempfile.TemporaryFile() as context:
            with tarfile.open(fileobj=context, mode="w") as archive:
                archive.add(folder, "python", filter=kept_in_image)
                entry = tarfile.TarInfo("Dockerfile")
                entry.size = len(_DOCKERFILE)
                archive.addfile(entry, io.BytesIO(_DOCKERFILE.encode()))
            context.seek(0)
            client.images.build(fileobj=context, custom_context=True, tag=f"python:{version}-slim", rm=True)


def pyenv_folder(version: str) -> Path:
    """Return the folder of the newest release of a version. Raises CannotRun if there is none."""
    try:
        done = subprocess.run(["pyenv", "root"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise CannotRun(f"no Python {version} of pyenv: {error}") from None
    found = sorted(Path(done.stdout.strip(), "versions").glob(f"{version}.*"))
    if not found:
        raise CannotRun(f"pyenv has no Python {version}")
    return found[-1]


def kept_in_image(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Filter the files of an interpreter: root owns them, and pip is the only package."""
    parts = Path(entry.name).parts
    if set(_LEFT_OUT) & set(parts) or entry.name.endswith(".a"):
        return None
    if "site-packages" in parts[:-1] and not parts[parts.index("site-packages") + 1].startswith("pip"):
        return None
    entry.uid = entry.gid = 0
    return entry
