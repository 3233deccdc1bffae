"""Types of the standard library and of pydantic that an output may hold.

The schemas describe how `coglet_worker.encoding` encodes the values. The formats are those of pydantic 2,
except that a path is a file, which the client receives.
"""

from typing import Any, Final

from coglet_schema.names import External

_FILE: Final = {"type": "string", "format": "uri"}
_TEXT: Final = {"type": "string"}
_INTEGER: Final = {"type": "integer"}
_NUMBER: Final = {"type": "number"}
_BOOLEAN: Final = {"type": "boolean"}
_SECRET: Final = {"type": "string", "format": "password", "writeOnly": True, "x-cog-secret": True}


def _text(format_: str) -> dict[str, Any]:
    return {"type": "string", "format": format_}


_DATETIME: Final = _text("date-time")
_DATE: Final = _text("date")
_UUID: Final = _text("uuid")
_STANDARD_TYPES: Final[dict[str, dict[str, Any]]] = {
    "datetime.date": _DATE,
    "datetime.datetime": _DATETIME,
    "datetime.time": _text("time"),
    "datetime.timedelta": _text("duration"),
    "decimal.Decimal": _TEXT,
    "ipaddress.IPv4Address": _text("ipv4"),
    "ipaddress.IPv4Interface": _text("ipv4interface"),
    "ipaddress.IPv4Network": _text("ipv4network"),
    "ipaddress.IPv6Address": _text("ipv6"),
    "ipaddress.IPv6Interface": _text("ipv6interface"),
    "ipaddress.IPv6Network": _text("ipv6network"),
    "os.PathLike": _FILE,
    "pathlib.PosixPath": _FILE,
    "pathlib.PurePath": _FILE,
    "pathlib.PurePosixPath": _FILE,
    "uuid.UUID": _UUID,
}
_PYDANTIC_TYPES: Final[dict[str, dict[str, Any]]] = {
    **dict.fromkeys(("AnyUrl", "AnyHttpUrl", "HttpUrl", "FileUrl", "FtpUrl", "WebsocketUrl"), _text("uri")),
    **dict.fromkeys(("UUID1", "UUID3", "UUID4", "UUID5", "UUID6", "UUID7", "UUID8"), _UUID),
    **dict.fromkeys(("AwareDatetime", "NaiveDatetime", "PastDatetime", "FutureDatetime"), _DATETIME),
    **dict.fromkeys(("PastDate", "FutureDate", "condate"), _DATE),
    **dict.fromkeys(("FilePath", "NewPath"), _FILE),
    **dict.fromkeys(("PositiveInt", "NegativeInt", "NonNegativeInt", "NonPositiveInt"), _INTEGER),
    **dict.fromkeys(("StrictInt", "ByteSize", "conint"), _INTEGER),
    **dict.fromkeys(("PositiveFloat", "NegativeFloat", "NonNegativeFloat", "NonPositiveFloat"), _NUMBER),
    **dict.fromkeys(("StrictFloat", "FiniteFloat", "confloat"), _NUMBER),
    **dict.fromkeys(("StrictStr", "constr", "condecimal"), _TEXT),
    "EmailStr": _text("email"),
    "IPvAnyAddress": _text("ipvanyaddress"),
    "IPvAnyInterface": _text("ipvanyinterface"),
    "IPvAnyNetwork": _text("ipvanynetwork"),
    "NameEmail": _text("name-email"),
    "SecretStr": _SECRET,
    "StrictBool": _BOOLEAN,
}


def library_schema(symbol: External) -> dict[str, Any] | None:
    """Return the schema of a type of these libraries, also of a function such as `constr`; else None."""
    schema = _STANDARD_TYPES.get(symbol.dotted_name)
    if schema is None and is_of_pydantic(symbol):
        schema = _PYDANTIC_TYPES.get(symbol.name)
    return None if schema is None else dict(schema)


def is_of_pydantic(symbol: External) -> bool:
    """Return True if a module of pydantic defines the symbol, including its version 1 API."""
    return symbol.imported and symbol.origin.partition(".")[0] == "pydantic"
