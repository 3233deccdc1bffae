"""Where output files go."""

from coglet_supervisor.outgoing.client import Outgoing
from coglet_supervisor.predictions.data_url_store import DataUrls
from coglet_supervisor.predictions.resources import FileStore
from coglet_supervisor.predictions.uploads import Uploads


def file_store(upload_url: str | None, max_bytes: int, outgoing: Outgoing) -> FileStore:
    """Return the store of output files: uploads if there is a URL for them, else data URLs."""
    return DataUrls(max_bytes) if upload_url is None else Uploads(upload_url, outgoing)
