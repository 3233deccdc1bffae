"""Exceptions of the SDK."""


class CogError(Exception):
    """Base of cog's own errors."""


class ConfigDoesNotExist(CogError):
    """There is no `cog.yaml`."""


class PredictorNotSet(CogError):
    """Neither the configuration nor the environment names a predictor."""


class DownloadError(CogError, OSError):
    """A file input could not be downloaded; the text names the URL and the reason."""
