"""A check of the image that `cog build` would make: its plan, for which no engine is asked."""

from collections.abc import Sequence

from coglet_cli.dockerfile import new_generator
from coglet_cli.doctor.finding import Finding
from coglet_cli.doctor.subject import Skipped, Subject
from coglet_cli.errors import UserError
from coglet_cli.images.preparation import BuildFlags, prepare
from coglet_cli.project.model import LocalModel
from coglet_cli.project.schema import SchemaRefused
from coglet_cli.terminal import Terminal


class _Silence(Terminal):
    """Takes what a build tells while it goes on."""

    def _write(self, level: str, text: str) -> None:
        pass


def look_plan(subject: Subject) -> Sequence[Finding]:
    """A build without flags would come to its first step."""
    model = LocalModel(subject.project, subject.config)
    # Which base images there are, only a build can know.
    error = _refusal(model, bases_exist=True)
    if error is None or _refusal(model, bases_exist=False) is None:
        return []
    return [Finding(error.message, remediation=error.hint)]


def _refusal(model: LocalModel, *, bases_exist: bool) -> UserError | None:
    """Why a build would stop; None when it would not. Raises Skipped."""
    try:
        if model.config.weights:
            from coglet_cli.weights.project import weights_manifest

            weights_manifest(model)
        terminal = _Silence(color=False)
        plan = prepare(model, BuildFlags(), lambda _: bases_exist, terminal).plan
        new_generator(plan).generate()
    except SchemaRefused:
        raise Skipped("the schema of the model cannot be read") from None
    except UserError as error:
        return error
    return None
