"""Writes docs/cog-yaml.md from the JSON schema that `cog` checks a `cog.yaml` with."""

import json
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any, Final

_HEAD: Final = """# `cog.yaml`

All keys of a model's `cog.yaml`, from the JSON schema that `cog` checks it with. Unknown keys are a warning,
and an error with `--strict`. `scripts/docs generate` makes this page again.

A model with packages and a GPU:

```yaml
predict: "predict.py:Predictor"
build:
  python_version: "3.12"
  gpu: true
  python_requirements: requirements.txt
  system_packages: [ffmpeg]
  run:
    - python -m compileall -q /src
```

A key that has `[]` in its name belongs to each item of a list. What `build` does in an image is described in
[docker.md](docker.md), and `weights` in [cli.md](cli.md#cog-weights).

| key | value | meaning |
|---|---|---|
"""


def schema() -> dict[str, Any]:
    """Return the JSON schema of `cog.yaml`."""
    text = files("coglet_cli.config").joinpath("cog.schema.json").read_text()
    document: dict[str, Any] = json.loads(text)
    return document


def page(document: Mapping[str, Any]) -> str:
    """Return the text of docs/cog-yaml.md."""
    return _HEAD + "".join(f"{row}\n" for row in _rows(document, document, ""))


def _rows(node: Mapping[str, Any], document: Mapping[str, Any], above: str) -> Iterator[str]:
    """Yield a row for each key below `node`, those of objects and lists of objects after their own."""
    for name, value in _resolved(node, document).get("properties", {}).items():
        key = f"{above}{name}"
        resolved = _resolved(value, document)
        yield f"| `{key}` | {_kind(resolved, document)} | {_meaning(node, name, resolved)} |"
        yield from _rows(resolved, document, f"{key}.")
        if "items" in resolved:
            yield from _rows(resolved["items"], document, f"{key}[].")


def _resolved(node: Mapping[str, Any], document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return `node` with the keywords of the definition that it refers to."""
    if "$ref" not in node:
        return node
    definition = document["$defs"][node["$ref"].removeprefix("#/$defs/")]
    return {**definition, **node}


def _kind(node: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    if "enum" in node:
        return " or ".join(f"`{value}`" for value in node["enum"])
    types = node["type"] if isinstance(node["type"], list) else [node["type"]]
    names = [name for name in types if name != "null"]
    if "array" in names:
        items = _kind(_resolved(node["items"], document), document)
        names[names.index("array")] = f"list of {items}"
    return " or ".join(names)


def _meaning(parent: Mapping[str, Any], name: str, node: Mapping[str, Any]) -> str:
    notes = [node["description"]] if "description" in node else []
    if node.get("deprecated"):
        notes.append("deprecated")
    if name in parent.get("required", ()):
        notes.append("required")
    return "; ".join(notes)
