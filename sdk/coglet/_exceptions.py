"""The exception that ends a running prediction."""


class CancelationException(BaseException):
    """Raised inside a synchronous `run` when its prediction is canceled.

    A `BaseException`, so that `except Exception` in a model does not swallow it. Clean up and re-raise it.
    """


CancelationException.__module__ = "coglet"  # the public name, shown in tracebacks
