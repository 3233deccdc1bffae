"""Errors of the Docker Engine."""

from collections.abc import Sequence

from coglet_cli.errors import UserError


class EngineUnreachable(UserError):
    """The Docker Engine does not respond."""

    def __init__(self, reason: object) -> None:
        super().__init__(
            f"error pinging docker daemon: {reason}",
            hint="is Docker running? Start it, or set DOCKER_HOST; "
            "`cog predict` and `cog serve` work without Docker",
        )


class BuildFailed(UserError):
    """A step of a build failed; the message contains its last lines unless they were already shown."""

    def __init__(self, reason: str, lines: Sequence[str] = ()) -> None:
        super().__init__("\n".join([*lines, f"image build failed: {reason}"]))


class ImageNotFound(UserError):
    """An image is neither on the engine nor in its registry."""

    def __init__(self, name: str, reason: object) -> None:
        super().__init__(
            f"failed to pull {name}: {reason}",
            hint="check the name; for a private registry run `cog login` first",
        )


class PushFailed(UserError):
    """A registry rejected an image."""

    def __init__(self, name: str, reason: str) -> None:
        if "NAME_UNKNOWN" in reason or "name unknown" in reason:
            super().__init__(
                f"Unable to find existing Replicate model for {name}. "
                "Go to replicate.com and create a new model before pushing.\n\n"
                "If the model exists, you may be logged in as another user: "
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
