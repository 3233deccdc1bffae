"""Files of this server among the inputs of predictions: they are copied from disk, and not downloaded."""

import re
from typing import Final

import msgspec

from coglet_protocol.slot import InputFile
from coglet_supervisor.kept_files import KeptFiles
from coglet_supervisor.predictions.untrusted_json import decode

# With or without `/download`: clients send `urls.get` of the file. The host is not compared, because a server
# may have several names, and an id cannot be guessed.
_FILE_URL: Final = re.compile(
    r"https?://[^/?#]+/(?:[^?#]*/)?v1/files/([a-z2-7]{26})(?:/download)?(?:\?[^#]*)?"
)
# Some clients escape slashes.
_MARK: Final = re.compile(rb"v1\\?/files\\?/")


def files_in(files: KeptFiles, prediction_id: str, input_json: msgspec.Raw) -> tuple[InputFile, ...]:
    """Return the files of this server to which URLs in the input of a prediction refer. Raises NotJson.

    They do not expire before it has ended.
    """
    if _MARK.search(memoryview(input_json)) is None:
        return ()
    found: dict[str, InputFile] = {}
    unseen = [decode(input_json)]
    while unseen:
        value = unseen.pop()
        if isinstance(value, dict):
            unseen += value.values()
        elif isinstance(value, list):
            unseen += value
        elif isinstance(value, str) and (match := _FILE_URL.fullmatch(value)):
            kept = files.hold(match[1], prediction_id)
            if kept is not None:
                found[value] = InputFile(url=value, path=str(kept.path), name=kept.description.name)
    return tuple(found.values())
