"""Titles that forms show for names."""


def title_of(name: str) -> str:
    """`my_long_name` becomes `My Long Name`; letters but the first of each piece stay as they are."""
    return " ".join(piece[:1].upper() + piece[1:] for piece in name.split("_"))
