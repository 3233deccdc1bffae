"""The source of the model's schema: a file written at build time, else the model's source code."""

import json
import logging
from functools import cached_property
from pathlib import Path
from typing import Any

from coglet_protocol.control import InputKind
from coglet_supervisor.predictions.input_kinds import input_kinds
from coglet_supervisor.predictions.validation import Document
from coglet_supervisor.settings import Settings

log = logging.getLogger(__name__)

WRITTEN_SCHEMA = Path(".cog/openapi_schema.json")


class NoSchema(Exception):
    """The schema cannot be read, or not be made from the source."""


class SchemaSource:
    """The schema of one version of the model, read at its first use."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def document(self) -> Document | None:
        """The OpenAPI document; None, after a warning, if there is none: then every input is accepted."""
        try:
            return load_document(self._settings)
        except NoSchema as error:
            log.warning("%s; every input is accepted", error)
            return None

    def require(self) -> None:
        """Read the document of a model that has one. Raises NoSchema."""
        self.document = load_document(self._settings)

    def input_kinds(self) -> dict[str, InputKind] | None:
        """Return the inputs that the worker must convert, by name; None if none are described."""
        return input_kinds(self.document, training=self._settings.is_train)


def load_document(settings: Settings) -> Document | None:
    """Return the document, or None without a model. Raises NoSchema."""
    path = settings.project_dir / (settings.openapi_schema or WRITTEN_SCHEMA)
    if settings.openapi_schema or path.exists():
        return _read(path)
    if settings.predictor_ref is None:
        return None
    return _generate(settings)


def _read(path: Path) -> Document:
    try:
        document: Any = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise NoSchema(f"cannot read the schema {path}: {error}") from error
    if not isinstance(document, dict):
        raise NoSchema(f"the schema {path} is not a JSON object")
    return document


def _generate(settings: Settings) -> Document:
    from coglet_schema import SchemaError, generate

    assert settings.predictor_ref is not None
    try:
        return generate(
            settings.project_dir, settings.predictor_ref, "train" if settings.is_train else "predict"
        )
    except SchemaError as error:
        raise NoSchema(f"no schema could be generated: {error.describe()}") from error


def declared_concurrency(settings: Settings) -> int:
    """Return the number of slots that `@cog.concurrent(max=N)` requests, 1 by default.

    This delays the start of the worker, so the source is parsed only if it mentions the decorator.
    """
    assert settings.predictor_ref is not None
    file = settings.project_dir / settings.predictor_ref.partition(":")[0]
    try:
        if b"concurrent" not in file.read_bytes():
            return 1
    except OSError:
        return 1  # the worker reports the error
    from coglet_schema import SchemaError, generate_info

    try:
        info = generate_info(
            settings.project_dir, settings.predictor_ref, "train" if settings.is_train else "predict"
        )
    except SchemaError:
        return 1
    return info.concurrency_max or 1
