"""What can go wrong with an engine, as a person reads it."""

from collections.abc import Sequence

from coglet_cli.errors import UserError


class EngineUnreachable(UserError):
    """Nobody answers where the Docker Engine should be."""

    def __init__(self, reason: object) -> None:
        super().__init__(
            f"error pinging docker daemon: {reason}",
            hint="is Docker running? Start it, or set DOCKER_HOST; `cog predict` and `cog serve` need none",
        )


class BuildFailed(UserError):
    """A step of a build ended badly; its last lines come with it unless they were shown."""

    def __init__(self, reason: str, lines: Sequence[str] = ()) -> None:
        super().__init__("\n".join([*lines, f"image build failed: {reason}"]))


class ImageNotFound(UserError):
    """An image is neither here nor in its registry."""

    def __init__(self, name: str, reason: object) -> None:
        super().__init__(
            f"failed to pull {name}: {reason}",
            hint="check the name; for a private registry run `cog login` first",
        )


class PushFailed(UserError):
    """A registry refused an image."""

    def __init__(self, name: str, reason: str) -> None:
        if "NAME_UNKNOWN" in reason or "name unknown" in reason:
            super().__init__(
                f"Unable to find existing Replicate model for {name}. "
                "Go to replicate.com and create a new model before pushing.\n\n"
                "If the model exists, you may be logged in as somebody else: "
                "with sudo, Docker reads the credentials of root."
            )
        else:
            hint = "run `cog login` first" if "auth" in reason or "denied" in reason else None
            super().__init__(f"failed to push image: {reason}", hint=hint)


class ContainerRefused(UserError):
    """The engine did not start a container."""

    def __init__(self, reason: object) -> None:
        super().__init__(f"failed to start the container: {reason}")


class MissingDriver(ContainerRefused):
    """The engine has no driver for the GPUs that a container asks for."""
