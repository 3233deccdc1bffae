"""What is kept of a request to the hosted API (`/v1`) beside the prediction that it created."""

import msgspec


class HostedCall(msgspec.Struct, frozen=True, omit_defaults=True):
    """The request that created a prediction.

    `base_url` is the server as its client knows it, for URLs in webhooks. `model` (`owner/name`) and
    `version` are those that accepted it; `destination` is what the client wrote for a training.
    """

    base_url: str
    model: str
    version: str
    destination: str | None = None
