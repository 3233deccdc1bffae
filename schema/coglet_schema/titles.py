"""Titles that forms show for names."""


def title_of(name: str) -> str:
    """Return `My Long Name` for `my_long_name`; only the first letter of each word is changed."""
    return " ".join(piece[:1].upper() + piece[1:] for piece in name.split("_"))
