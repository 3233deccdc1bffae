"""The registry of coders."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from cog.coder import Coder


class DecimalCoder(Coder):
    @staticmethod
    def factory(tpe: type[Any]) -> Coder | None:
        return DecimalCoder() if tpe is Decimal else None

    def encode(self, x: Any) -> dict[str, Any]:
        return {"decimal": str(x)}

    def decode(self, x: dict[str, Any]) -> Any:
        return Decimal(x["decimal"])


@pytest.fixture
def registered() -> Iterator[None]:
    before = dict(Coder._registered)
    Coder.register(DecimalCoder)
    yield
    Coder._registered.clear()
    Coder._registered.update(before)


def test_a_registered_coder_is_found_by_type(registered: None) -> None:
    coder = Coder.lookup(Decimal)
    assert coder is not None
    assert coder.decode(coder.encode(Decimal("1.5"))) == Decimal("1.5")
    assert Coder.lookup(int) is None


def test_a_coder_has_to_be_complete() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Coder()  # type: ignore[abstract]
