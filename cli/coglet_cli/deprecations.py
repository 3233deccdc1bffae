"""Whether the user has enabled deprecation warnings."""

import warnings


def are_shown() -> bool:
    """Return True if Python's warnings filter shows a DeprecationWarning, as with `PYTHONWARNINGS=default`.

    `predict`, `Predictor` and `BasePredictor` are the names that the documentation uses, so advice to rename
    them is shown only on request.
    """
    with warnings.catch_warnings(record=True) as shown:
        try:
            warnings.warn_explicit("advice on names", DeprecationWarning, "cog.yaml", 1, module="cog.yaml")
        except DeprecationWarning:  # the filter turns warnings into errors
            return True
    return bool(shown)
