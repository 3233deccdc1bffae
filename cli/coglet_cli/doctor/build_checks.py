"""A check of the image plan of `cog build`, without an engine."""

from collections.abc import Sequence

from coglet_cli.dockerfile import new_generator
from coglet_cli.doctor.finding import Finding
from coglet_cli.doctor.subject import Skipped, Subject
from coglet_cli.errors import UserError
from coglet_cli.images.preparation import BuildFlags, prepare
from coglet_cli.project.model import LocalModel
from coglet_cli.project.schema import SchemaRefused
from coglet_cli.terminal import Terminal


class _SilentTerminal(Terminal):
    """Discards the messages of a build."""

    def _write(self, level: str, text: str) -> None:
        pass


def look_plan(subject: Subject) -> Sequence[Finding]:
    """Check that a build without flags would reach its first step."""
    model = LocalModel(subject.project, subject.config)
    # Whether a base image exists is known only to a build, so try both cases.
    error = _refusal(model, bases_exist=True)
    if error is None or _refusal(model, bases_exist=False) is None:
        return []
    return [Finding(error.message, remediation=error.hint)]


def _refusal(model: LocalModel, *, bases_exist: bool) -> UserError | None:
    """Return why a build would fail, None if it would not. Raises Skipped if the schema cannot be read."""
    try:
        if model.config.weights:
            from coglet_cli.weights.project import weights_manifest

            weights_manifest(model)
        terminal = _SilentTerminal(color=False)
        plan = prepare(model, BuildFlags(), lambda _: bases_exist, terminal).plan
        new_generator(plan).generate()
    except SchemaRefused:
        raise Skipped("the schema of the model cannot be read") from None
    except UserError as error:
        return error
    return None
