"""Whether the user asks for deprecation warnings."""

import warnings


def are_shown() -> bool:
    """True when Python's warnings filter shows a DeprecationWarning, as with `PYTHONWARNINGS=default`.

    `predict`, `Predictor` and `BasePredictor` are the names of the documentation, so advice to rename them is
    for those who look for it.
    """
    with warnings.catch_warnings(record=True) as shown:
        try:
            warnings.warn_explicit("advice on names", DeprecationWarning, "cog.yaml", 1, module="cog.yaml")
        except DeprecationWarning:  # the filter makes errors of them
            return True
    return bool(shown)
