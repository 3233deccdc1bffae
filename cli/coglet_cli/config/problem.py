"""Problems of a configuration file, and their texts."""

from dataclasses import dataclass

from coglet_cli.config.document import KeyPath


def key_name(path: KeyPath, file_name: str) -> str:
    """Return `weights[0].name` for `("weights", 0, "name")`, and the name of the file for the root."""
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
        """Return the problem in one line, without its location."""
        return f'schema error in "{key_name(self.path, file_name)}": {self.message}'


@dataclass(frozen=True)
class WrongValue:
    """A value has the right type but breaks a rule; `value` is None if there is none to show."""

    path: KeyPath
    message: str
    value: str | None = None

    def text(self, file_name: str) -> str:
        """Return the problem in one line, without its location."""
        name = key_name(self.path, file_name)
        shown = "" if self.value is None else f' "{self.value}"'
        return f"invalid {name}{shown}: {self.message}"


Problem = WrongStructure | WrongValue
