from __future__ import annotations

import base64

import pytest
from webhook_receiver import OTHER_SECRET, SECRET

from gateway.delivery._signing import read_secrets, sign


def test_the_example_of_the_specification() -> None:
    secrets = read_secrets("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = sign(secrets, id="msg_p5jXN8AQM9LWM0D4loKWxJek", seconds=1614265330, body=b'{"test": 2432232314}')
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_while_one_secret_takes_over_from_another_both_sign() -> None:
    new, old = read_secrets(f"{OTHER_SECRET}\n{SECRET}\n")
    both = sign((new, old), id="i", seconds=1, body=b"x")["webhook-signature"].split(" ")
    assert both == [sign((one,), id="i", seconds=1, body=b"x")["webhook-signature"] for one in (new, old)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must hold one secret"),
        (" ".join([SECRET] * 5), "at most 4"),
        ("secret", "secret 1 does not begin with whsec_"),
        (f"{SECRET} whsec_å", "secret 2 is not base64"),
        ("whsec_" + base64.b64encode(b"x" * 23).decode(), "24 to 64 octets, not 23"),
        ("whsec_" + base64.b64encode(b"x" * 65).decode(), "24 to 64 octets, not 65"),
    ],
)
def test_what_is_no_secret_is_said_without_showing_it(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        read_secrets(text)
    assert text.removeprefix("whsec_")[:9] not in str(caught.value) or not text or text == "secret"
