"""hardening.md S23: signatures as Standard Webhooks defines them."""

import pytest

from coglet_supervisor.errors import StartupError
from coglet_supervisor.webhooks.signature import Signer, new_message_id


def test_the_example_of_the_specification() -> None:
    signer = Signer.from_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    assert signer is not None
    headers = signer.headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers == {
        b"webhook-id": b"msg_p5jXN8AQM9LWM0D4loKWxJek",
        b"webhook-timestamp": b"1614265330",
        b"webhook-signature": b"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_any_other_text_is_the_key_itself() -> None:
    assert Signer.from_secret("correct horse") == Signer(b"correct horse")


def test_without_a_secret_nothing_is_signed() -> None:
    assert Signer.from_secret(None) is None


@pytest.mark.parametrize("secret", ["whsec_", "whsec_***", "whsec_abc"])
def test_an_invalid_secret_stops_the_start_and_is_not_shown(secret: str) -> None:
    with pytest.raises(StartupError) as caught:
        Signer.from_secret(secret)
    assert secret not in str(caught.value) or secret == "whsec_"


def test_each_message_has_its_own_id() -> None:
    assert new_message_id() != new_message_id()
