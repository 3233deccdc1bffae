"""The model that a server under test serves, and the schema that its build would have written."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

MODELS: Final = Path(__file__).resolve().parents[1] / "integration" / "models"

Components = dict[str, Any]
"""`components.schemas` of the OpenAPI document: `Input`, `Output`, perhaps `TrainingInput` and more."""


@dataclass(frozen=True)
class Model:
    """A `predict.py`. Without components there is no schema file: ours generates one, the peer has none."""

    source: str
    components: Components | None = None
    ref: str = "predict.py:Predictor"
    is_streaming: bool = False
    """Whether its clients may ask for server-sent events. Its schema says so."""
    files: Mapping[str, str] = field(default_factory=dict)
    """More files of its folder, by name."""

    @classmethod
    def named(cls, name: str) -> "Model":
        """`models/<name>.py` with the components in `models/<name>.json`."""
        components = json.loads((MODELS / f"{name}.json").read_text())
        return cls((MODELS / f"{name}.py").read_text(), components)

    def write_to(self, folder: Path) -> None:
        """Write the model and its schema into `folder`."""
        for name, text in {"predict.py": self.source, **self.files}.items():
            folder.joinpath(name).write_text(text)
        if self.components is not None:
            folder.joinpath(".cog").mkdir()
            text = json.dumps(openapi(self.components, is_streaming=self.is_streaming))
            folder.joinpath(".cog", "openapi_schema.json").write_text(text)


def openapi(components: Components, *, is_streaming: bool = False) -> dict[str, Any]:
    """Return the smallest document that a server accepts as a model's schema."""
    operation: dict[str, Any] = {"summary": "Predict"}
    if is_streaming:
        operation["x-cog-streaming"] = True
    return {
        "openapi": "3.0.2",
        "info": {"title": "Cog", "version": "0.1.0"},
        "paths": {"/predictions": {"post": operation}},
        "components": {"schemas": components},
    }


def inputs(properties: Components, *required: str) -> Components:
    """Components with these input properties and any output."""
    component: Components = {"title": "Input", "type": "object", "properties": properties}
    if required:
        component["required"] = list(required)
    return {"Input": component, "Output": {"title": "Output"}}
