"""The texts of the project avoid pictures and private idiom, and are in American spelling.

Names count as text: an underscore separates words. ALLOWED has what the wire, the peer or Python decides.
"""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# A word or phrase, and what to write instead. A space also matches an underscore or a line break.
WORDS = {
    "(?<!there )(is|are|was|were) no(?! longer| more| less| other| different|[^ ])": "is not, is not a",
    "(no|some|any)body(|s|'s)": "the name of the part: no client, another process",
    "for ever": "without limit, permanently, until ...",
    "told|tells?|telling": "reported, sent, says",
    "strangers?": "another process, an unauthenticated client, untrusted",
    "last words": "final messages",
    "dice": "jitter, rng",
    "hopeless": "until it gives up",
    "wears?|worn out": "recycle limit",
    "spares?|spared": "skipped because the circuit is open",
    '"""gives(?! up)': "Return ...",
    "done its share": "reached its limit",
    "lets? go of": "releases",
    "in (the|its|their) way( of)?": "blocks, delays",
    "h(e|o)ld(s|ing)? up": "blocked, delayed",
    "on (its|their) way": "being sent",
    "(is|are|was|were) gone": "has exited, was closed, was deleted",
    "speaks? to": "sends to, connects to",
    "hears?": "receives, reads",
    "parted by": "separated by, comma-separated",
    "for want of": "because there is no",
    "by (our|its) own hand": "itself",
    "needs not": "does not have to",
    "to be looked at": "the name of the condition",
    "colou?r(?<=our)(ed|s)?": "color",
    "(de)?serialis(e|es|ed|er|ing|ation)": "serialize",
    "(recogni|normali|initiali|optimi|organi|daemoni)s(e|es|ed|ing|ation)|analys(e|ed|ing)": "-ize, -yze",
    "cancell(ed|ing|ations?)": "canceled, canceling, cancelation",
    "(behavi|fav|hon|neighb)our(s|ed|ing|able)?": "-or",
    "catalogue|centre|grey|licence|artefact": "American spelling",
}
# Parts of the text that are not ours to choose.
ALLOWED = {
    r"\bCancelled\b|\"cancelled\"|\\xa9cancelled": "the message, as the peer defines it",
    r"Prediction cancelled|Cancelling prediction": "lines of the log that clients match",
    r"\.cancelled\(\)|CancelledError|cancelled_error": "names of asyncio",
    r"the user cancelled it": "a test: an exception of a model with the word that the peer looks for",
    r"\btell\(": "the method of Python's files",
}
EXCEPTIONS = re.compile("|".join(ALLOWED))
PATTERNS = {
    re.compile(rf"(?<![A-Za-z])(?:{words})(?![A-Za-z])", re.IGNORECASE): better
    for words, better in WORDS.items()
}
# Data of the schema's tests, bytes of the protocol, texts of others, and this file.
EXCLUDED = (
    "tests/schema/corpus/",
    "tests/protocol/golden/",
    "LICENSE",
    "requirements-dev.txt",
    "tests/test_words.py",
)


def tracked_files() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [file for file in listed.stdout.splitlines() if not file.startswith(EXCLUDED)]


def words_in(text: str) -> Iterator[str]:
    """Yield each word to avoid with its context and what to write instead."""
    flat = re.sub(r"\s*\n\s*(?:# |-- |// )?\s*|_", " ", EXCEPTIONS.sub("", text))
    for pattern, better in PATTERNS.items():
        for found in pattern.finditer(flat):
            yield f"{flat[max(0, found.start() - 40) : found.end() + 30]!r} ({found[0]}: {better})"


@pytest.mark.parametrize("folder", sorted({file.split("/")[0] for file in tracked_files()}))
def test_texts_and_names_use_plain_words(folder: str) -> None:
    found: list[str] = []
    for file in tracked_files():
        path = ROOT / file
        if file.split("/")[0] == folder and path.is_file():
            content = path.read_bytes()
            if b"\0" not in content:
                found += [f"{file}: {word}" for word in words_in(content.decode(errors="replace"))]
    assert not found, f"{len(found)} words to avoid:\n" + "\n".join(found)


@pytest.mark.parametrize(
    "text", ["a_token_that_is_no\n    # text", '"""Gives x."""', "Somebody", "the colours"]
)
def test_words_to_avoid_are_found(text: str) -> None:
    assert list(words_in(text))


@pytest.mark.parametrize(
    "text", ["there\n    is no file", "it is no longer", "except asyncio.CancelledError:"]
)
def test_plain_words_pass(text: str) -> None:
    assert not list(words_in(text))
