"""What the server calls its model: `owner/name`, and the id of its version."""

import ast
import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from coglet_supervisor.predictions.validation import Document
from coglet_supervisor.settings import Settings

LOCAL_OWNER: Final = "local"
_CONFIG: Final = "cog.yaml"
# A scalar at the top level; the server does not depend on a parser for YAML.
_IMAGE: Final = re.compile(r"""^image:[ \t]*["']?([^\s"'#]+)""", re.MULTILINE)
_REFUSED: Final = re.compile(r"[^a-z0-9._-]+")
# Of a folder with more sources, only so many are part of the version.
_MAX_SOURCES: Final = 10_000


@dataclass(frozen=True)
class Identity:
    """The model of one server. `created_at` is when its source last changed, in seconds since the epoch."""

    owner: str
    name: str
    version: str
    created_at: float
    description: str | None = None

    @property
    def model(self) -> str:
        """`owner/name`."""
        return f"{self.owner}/{self.name}"

    def is_named(self, owner: str, name: str) -> bool:
        """True if a client that writes `owner/name` means this model."""
        return (owner.lower(), name.lower()) == (self.owner, self.name)

    def has_version(self, text: str) -> bool:
        """True if a client that writes `text` as the version means this one: `id`, `owner/name[:id]`."""
        model, separator, version = text.rpartition(":")
        if not separator and "/" in text:
            model, version = text, self.version
        owner, _, name = model.partition("/")
        return version == self.version and (not model or self.is_named(owner, name))


def identity_of(settings: Settings, document: Document | None) -> Identity:
    """Return the identity of the model of these settings. Reads all of its source files."""
    return find_identity(settings.project_dir, settings.predictor_ref, document, settings.model_name)


def find_identity(
    folder: Path, ref: str | None, document: Document | None, given_name: str | None
) -> Identity:
    """Return the identity of the model `ref` in `folder`. Reads all of its source files.

    `given_name` takes precedence over the image of cog.yaml, and that over the name of the folder.
    """
    sources = list(_sources(folder))
    digest = hashlib.sha256(msgspec.json.encode(document, order="sorted"))
    newest = 0.0
    for path in sources:
        digest.update(b"\0%b\0" % os.fsencode(path.relative_to(folder)))
        content = _content(path)
        digest.update(hashlib.sha256(content).digest())
        newest = max(newest, _changed_at(path))
    owner, name = _split(given_name or _image(folder) or folder.resolve().name)
    return Identity(owner, name, digest.hexdigest(), newest, _description(folder, ref))


def _split(text: str) -> tuple[str, str]:
    """Return owner and name of `[registry/]owner/name[:tag][@digest]`."""
    parts = text.partition("@")[0].lower().split("/")
    if len(parts) > 1 and ("." in parts[0] or ":" in parts[0] or parts[0] == "localhost"):
        del parts[0]
    *before, last = parts
    name = _REFUSED.sub("-", last.partition(":")[0]).strip("-") or "model"
    owner = _REFUSED.sub("-", before[-1]).strip("-") if before else ""
    return owner or LOCAL_OWNER, name


def _image(folder: Path) -> str | None:
    found = _IMAGE.search(_content(folder / _CONFIG).decode("utf-8", "replace"))
    return found[1] if found else None


def _sources(folder: Path) -> Iterator[Path]:
    """Yield cog.yaml and the Python files of the model, in a fixed order."""
    if (folder / _CONFIG).is_file():
        yield folder / _CONFIG
    count = 0
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not _is_foreign(Path(parent, name)))
        for name in sorted(names):
            if name.endswith(".py"):
                yield Path(parent, name)
                count += 1
                if count == _MAX_SOURCES:
                    return


def _is_foreign(folder: Path) -> bool:
    """True for hidden folders, caches and virtual environments."""
    if folder.name.startswith(".") or folder.name == "__pycache__":
        return True
    return os.path.lexists(folder / "pyvenv.cfg")  # Path.exists raises in a folder that may not be searched


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _changed_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _description(folder: Path, ref: str | None) -> str | None:
    """Return the docstring of the class or function that `ref` names, else of its file."""
    if ref is None:
        return None
    file, _, name = ref.partition(":")
    try:
        tree = ast.parse(_content(folder / file))
    except (SyntaxError, ValueError, RecursionError):
        return None
    for node in tree.body:
        if (
            isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and node.name == name
            and (text := ast.get_docstring(node))
        ):
            return text
    return ast.get_docstring(tree)
