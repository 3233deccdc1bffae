"""One thing that is wrong with a configuration file, and how it is told."""

from dataclasses import dataclass

from coglet_cli.config.document import KeyPath


def key_name(path: KeyPath, file_name: str) -> str:
    """`("weights", 0, "name")` as a person writes it: `weights[0].name`; the root is the file itself."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.lstrip(".") or file_name


@dataclass(frozen=True)
class WrongStructure:
    """A value has the wrong type, or a key is missing."""

    path: KeyPath
    message: str

    def text(self, file_name: str) -> str:
        """The problem in one line, without its place."""
        return f'schema error in "{key_name(self.path, file_name)}": {self.message}'


@dataclass(frozen=True)
class WrongValue:
    """A value has the right type and breaks a rule; `value` is left out when there is none to show."""

    path: KeyPath
    message: str
    value: str | None = None

    def text(self, file_name: str) -> str:
        """The problem in one line, without its place."""
        name = key_name(self.path, file_name)
        shown = "" if self.value is None else f' "{self.value}"'
        return f"invalid {name}{shown}: {self.message}"


Problem = WrongStructure | WrongValue
