"""Images of one Docker Engine. Import this only when needed: importing the SDK takes 0.2 s."""

import io
import os
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import docker
from docker.errors import APIError, DockerException, NotFound
from docker.errors import ImageNotFound as NoSuchImage
from docker.utils import parse_repository_tag

from coglet_cli.engine.build_options import PLATFORM, BuildOptions
from coglet_cli.engine.context import DOCKERFILE, Context
from coglet_cli.engine.errors import BuildFailed, EngineUnreachable, ImageNotFound, PushFailed
from coglet_cli.engine.timestamps import Dating, redate
from coglet_cli.progress import Progress

# A push or a build may send nothing for this long.
_TIMEOUT_S: Final = 600


@dataclass(frozen=True)
class ImageFacts:
    """Id, labels and layer digests of an image."""

    id: str
    labels: Mapping[str, str]
    layers: tuple[str, ...] = ()


class Engine:
    """A connection to one Docker Engine."""

    def __init__(self, client: docker.DockerClient) -> None:
        self.client = client

    @classmethod
    def connect(cls, timeout_s: int = _TIMEOUT_S) -> "Engine":
        """Connect to the engine of DOCKER_HOST or of Docker's current context. Raises EngineUnreachable."""
        try:
            client = docker.from_env(timeout=timeout_s, **_context_host())
            client.ping()
        except (DockerException, OSError) as error:
            raise EngineUnreachable(error) from None
        return cls(client)

    @property
    def host(self) -> str:
        """The URL of the engine."""
        return str(self.client.api.base_url)

    @property
    def is_remote(self) -> bool:
        """True if the engine runs on another machine."""
        return not self.host.startswith(("http+docker://", "http://127.", "http://localhost"))

    def build(self, context: Context, tag: str, progress: Progress, options: BuildOptions) -> None:
        """Build an image with the classic builder. Raises BuildFailed."""
        with tempfile.TemporaryFile() as archive:
            context.write(archive)
            archive.seek(0)
            try:
                messages = self.client.api.build(
                    fileobj=archive,
                    custom_context=True,
                    dockerfile=DOCKERFILE,
                    tag=tag,
                    nocache=options.no_cache,
                    rm=True,
                    forcerm=True,
                    decode=True,
                    platform=options.platform,
                    buildargs=dict(options.arguments),
                )
                _follow_build(messages, progress)
            except APIError as error:
                raise BuildFailed(str(error.explanation or error), progress.unseen) from None
            finally:
                progress.end()

    def find(self, name: str) -> ImageFacts | None:
        """Return the image of that name on this engine, None if there is none."""
        try:
            image = self.client.images.get(name)
        except NoSuchImage:
            return None
        return ImageFacts(str(image.id), dict(image.labels or {}), tuple(image.attrs["RootFS"]["Layers"]))

    def is_available(self, name: str) -> bool:
        """Return True if the image is on the engine or in its registry; False if that is unreachable."""
        if self.find(name) is not None:
            return True
        try:
            self.client.api.inspect_distribution(name)  # type: ignore[no-untyped-call]
        except (DockerException, OSError):
            return False
        return True

    def pull(
        self,
        name: str,
        progress: Progress,
        platform: str = PLATFORM,
        credentials: dict[str, str] | None = None,
    ) -> ImageFacts:
        """Pull an image from its registry. Raises ImageNotFound."""
        repository, tag = parse_repository_tag(name)
        try:
            for message in self.client.api.pull(
                repository,
                tag=tag or "latest",
                stream=True,
                decode=True,
                platform=platform,
                auth_config=credentials,
            ):
                if "error" in message:
                    raise ImageNotFound(name, message["error"])
                progress.layer(message)
        except (NotFound, APIError) as error:
            raise ImageNotFound(name, error.explanation or error) from None
        finally:
            progress.end()
        facts = self.find(name)
        if facts is None:
            raise ImageNotFound(name, f"the registry has no image for {platform}")
        return facts

    def push(self, name: str, progress: Progress, credentials: dict[str, str] | None = None) -> str | None:
        """Push an image to its registry and return its digest there. Raises PushFailed."""
        digest: str | None = None
        try:
            for message in cast("Iterator[dict[str, Any]]", self._push_messages(name, credentials)):
                if "error" in message:
                    raise PushFailed(name, str(message["error"]))
                digest = (message.get("aux") or {}).get("Digest") or digest
                progress.layer(message)
        except APIError as error:
            raise PushFailed(name, str(error.explanation or error)) from None
        finally:
            progress.end()
        return digest

    def tag(self, source: str, name: str) -> None:
        """Add a name to an image."""
        repository, tag = parse_repository_tag(name)
        self.client.api.tag(source, repository, tag or "latest")

    def remove(self, name: str) -> None:
        """Remove a name; the engine deletes an unused image with its last name."""
        self.client.images.remove(name)

    def finish(self, name: str, files: Mapping[str, bytes], labels: Mapping[str, str]) -> None:
        """Add files, by their path, and labels to an image: one more layer under the same name.

        This is not a second build because a LABEL instruction cannot contain newlines.
        """
        repository, tag = parse_repository_tag(name)
        container = self.client.api.create_container(name)["Id"]
        try:
            self.client.api.put_archive(container, "/", _archive(files))
            self.client.api.commit(container, repository, tag or "latest", conf={"Labels": dict(labels)})
        finally:
            self.client.api.remove_container(container)

    def save(self, name: str, file: Path) -> None:
        """Write an image to a file, as `docker save` does."""
        repository, tag = parse_repository_tag(name)
        with file.open("wb") as out:
            for chunk in self.client.api.get_image(f"{repository}:{tag or 'latest'}"):
                out.write(chunk)

    def redate(self, name: str, epoch_s: int, base: str) -> None:
        """Replace the image of this name by one whose times are not later than `epoch_s` (Unix time).

        The layers of its base image are kept unchanged if that image is on the engine.
        """
        before, found = self.client.images.get(name), self.find(base)
        layers = found.layers if found else ()
        kept = len(layers) if tuple(before.attrs["RootFS"]["Layers"][: len(layers)]) == layers else 0
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as archive:
            saved = Path(folder) / "saved.tar"
            self.save(name, saved)
            redate(saved, archive, Dating(epoch_s, kept), Path(folder))
            archive.seek(0)
            self.client.images.load(archive)
        if before.id and self.client.images.get(name).id != before.id:
            # Keep its parents: the next build uses their layers as cache.
            self.client.images.remove(before.id, noprune=True)

    def output_of(self, image: str, argv: list[str]) -> str:
        """Run a command in a new container and return its output. Raises BuildFailed if it fails."""
        try:
            text: bytes = self.client.containers.run(
                image, argv[1:], entrypoint=argv[:1], remove=True, network_disabled=True
            )
        except DockerException as error:
            raise BuildFailed(f"{' '.join(argv)}: {error}") from None
        return text.decode("utf-8", "replace")

    def _push_messages(self, name: str, credentials: dict[str, str] | None) -> Any:
        repository, tag = parse_repository_tag(name)
        return self.client.api.push(
            repository, tag=tag or "latest", stream=True, decode=True, auth_config=credentials
        )


def _follow_build(messages: Iterator[dict[str, Any]], progress: Progress) -> None:
    for message in messages:
        if "error" in message:
            raise BuildFailed(str(message["error"]).strip(), progress.unseen)
        if "stream" in message:
            progress.line(message["stream"])
        elif "status" in message:
            progress.layer(message)


def _archive(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name.lstrip("/"))
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def _context_host() -> dict[str, Any]:
    """Return the host of Docker's current context, which the SDK ignores by default."""
    if "DOCKER_HOST" in os.environ:
        return {}
    context = docker.ContextAPI.get_current_context()
    if context.name == "default":
        return {}
    return {"environment": {**os.environ, "DOCKER_HOST": context.Host}}
