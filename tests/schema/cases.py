"""The corpus: small models, each with what its schema must say. One text file is one case.

    What the case shows, in a sentence.
    predict: run.py:run           (the default, when there is neither this line nor the next)
    train: train.py:train

    -- run.py --                  a file of the model's folder
    ...
    -- expect Input --            a component of the document, as JSON
    ...
    -- expect info --             fields of the PredictorInfo, as JSON
    ...
    -- expect error --            the kind and place of the error, its message, and the hint
    UnsupportedType run.py:3:11
    unsupported type: ...

    hint: ...

    -- expect text --             pieces of the serialized document, a line each
    -- expect order --            the names of the components, as JSON

Of the components, all those with choices must be given; the others are compared only if they are given.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
_SECTION = re.compile(r"^-- (.+) --\n", re.MULTILINE)
_EXPECT = "expect "


@dataclass(frozen=True)
class Case:
    """One file of the corpus."""

    name: str
    predict_ref: str | None
    train_ref: str | None
    files: Mapping[str, str]
    expected: Mapping[str, str]

    @property
    def is_error(self) -> bool:
        return "error" in self.expected

    def write_files(self, folder: Path) -> None:
        for name, text in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


def read_case(path: Path) -> Case:
    header, *sections = _SECTION.split(path.read_text())
    parts = dict(zip(sections[::2], sections[1::2], strict=True))
    refs = dict(line.split(": ", 1) for line in header.splitlines() if re.match(r"(predict|train): ", line))
    return Case(
        name=str(path.relative_to(CORPUS).with_suffix("")),
        predict_ref=refs.get("predict") if refs else "run.py:run",
        train_ref=refs.get("train"),
        files={name: text for name, text in parts.items() if not name.startswith(_EXPECT)},
        expected={
            name.removeprefix(_EXPECT): text for name, text in parts.items() if name.startswith(_EXPECT)
        },
    )


def all_cases() -> list[Case]:
    return [read_case(path) for path in sorted(CORPUS.rglob("*.txt"))]
