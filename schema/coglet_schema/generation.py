"""The functions that callers use: from a source directory and a reference to a document."""

from pathlib import Path
from typing import Any

from coglet_schema.document import build_document
from coglet_schema.errors import ErrorKind, SchemaError
from coglet_schema.predictor import PredictorInfo, read_predictor
from coglet_schema.project import Project
from coglet_schema.target import Mode


def generate(source_dir: Path | str, ref: str, mode: Mode = "predict") -> dict[str, Any]:
    """The OpenAPI document of one mode. Raises SchemaError."""
    info = generate_info(source_dir, ref, mode)
    return build_document(info, None) if mode == "predict" else build_document(None, info)


def generate_combined(
    source_dir: Path | str, predict_ref: str | None, train_ref: str | None
) -> dict[str, Any]:
    """The document of all that a model does: merged when both references are given. Raises SchemaError."""
    return build_document(*generate_infos(source_dir, predict_ref, train_ref))


def generate_info(source_dir: Path | str, ref: str, mode: Mode = "predict") -> PredictorInfo:
    """The facts from which the document of one mode is built. Raises SchemaError."""
    return read_predictor(Project(Path(source_dir)), ref, mode)


def generate_infos(
    source_dir: Path | str, predict_ref: str | None, train_ref: str | None
) -> tuple[PredictorInfo | None, PredictorInfo | None]:
    """The facts of both modes, None for one without a reference. Raises SchemaError."""
    if not predict_ref and not train_ref:
        raise SchemaError(ErrorKind.OTHER, "no predict or train reference provided")
    project = Project(Path(source_dir))
    both = bool(predict_ref and train_ref)
    predict = _labelled(project, predict_ref, "predict", both) if predict_ref else None
    return predict, _labelled(project, train_ref, "train", both) if train_ref else None


def _labelled(project: Project, ref: str, mode: Mode, both: bool) -> PredictorInfo:
    try:
        return read_predictor(project, ref, mode)
    except SchemaError as error:
        raise error.prefixed(f"{mode} schema: ") if both else error from None
