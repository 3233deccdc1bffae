"""The public functions: from a source directory and references to an OpenAPI document.

They raise SchemaError if the source cannot be converted to a schema.
"""

from pathlib import Path
from typing import Any

from coglet_schema.document import build_document
from coglet_schema.errors import ErrorKind, SchemaError
from coglet_schema.predictor import PredictorInfo, read_predictor
from coglet_schema.project import Project
from coglet_schema.target import Mode


def generate(source_dir: Path | str, ref: str, mode: Mode = "predict") -> dict[str, Any]:
    """Return the OpenAPI document of one mode. Raises SchemaError."""
    info = generate_info(source_dir, ref, mode)
    return build_document(info, None) if mode == "predict" else build_document(None, info)


def generate_combined(
    source_dir: Path | str, predict_ref: str | None, train_ref: str | None
) -> dict[str, Any]:
    """Return the document of both modes, merged if both references are given.

    Raises SchemaError, also if no reference is given.
    """
    return build_document(*generate_infos(source_dir, predict_ref, train_ref))


def generate_info(source_dir: Path | str, ref: str, mode: Mode = "predict") -> PredictorInfo:
    """Return the facts from which the document of one mode is built. Raises SchemaError."""
    return read_predictor(Project(Path(source_dir)), ref, mode)


def generate_infos(
    source_dir: Path | str, predict_ref: str | None, train_ref: str | None
) -> tuple[PredictorInfo | None, PredictorInfo | None]:
    """Return the facts of both modes, None for a mode without a reference.

    Raises SchemaError, also if no reference is given.
    """
    if not predict_ref and not train_ref:
        raise SchemaError(ErrorKind.OTHER, "no predict or train reference provided")
    project = Project(Path(source_dir))
    both = bool(predict_ref and train_ref)
    predict = _labeled(project, predict_ref, "predict", both) if predict_ref else None
    return predict, _labeled(project, train_ref, "train", both) if train_ref else None


def _labeled(project: Project, ref: str, mode: Mode, both: bool) -> PredictorInfo:
    try:
        return read_predictor(project, ref, mode)
    except SchemaError as error:
        raise error.prefixed(f"{mode} schema: ") if both else error from None
