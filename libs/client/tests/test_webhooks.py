"""A message is the platform's only if it is signed by the secret, as it came, and now."""

import json
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from homeward.client.webhooks import Forged, verify

SECRET, OTHER = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "whsec_" + "A" * 43 + "="
NOW = 1_736_242_200
BODY = json.dumps({"id": "msg_1", "type": "homeward.webhook.test.v1"}).encode()
SIGNATURE = Webhook(SECRET).sign("msg_1", datetime.fromtimestamp(NOW, UTC), BODY.decode())
HEADERS = {"Webhook-Id": "msg_1", "webhook-timestamp": str(NOW), "WEBHOOK-SIGNATURE": SIGNATURE}


def checked(
    *, at: float = NOW, secrets: str | list[str] = SECRET, body: bytes = BODY, **changed: str
) -> object:
    headers = {name.lower(): value for name, value in HEADERS.items()}
    headers |= {f"webhook-{name}": value for name, value in changed.items()}
    return verify(secrets, headers, body, now=lambda: at)


def test_what_the_reference_signs_is_good() -> None:
    assert verify(SECRET, HEADERS, BODY, now=lambda: NOW)["id"] == "msg_1"
    assert checked(secrets=[OTHER, SECRET])
    assert checked(signature=f"v1a,xyz v1,AAAA {SIGNATURE}")
    assert checked(at=NOW + 300)
    assert checked(at=NOW - 300)


@pytest.mark.parametrize(
    "changed",
    [
        {"body": BODY + b" "},
        {"secrets": OTHER},
        {"secrets": []},
        {"id": "msg_2"},
        {"timestamp": str(NOW + 1)},
        {"timestamp": "soon"},
        {"timestamp": "١٧٣٦٢٤٢٢٠٠"},
        {"signature": ""},
        {"signature": "v1,"},
        {"signature": "v1,%%%"},
        {"signature": SIGNATURE.replace("v1,", "v2,")},
        {"at": NOW + 301},
        {"at": NOW - 301},
    ],
)
def test_anything_else_is_forged(changed: dict[str, str]) -> None:
    with pytest.raises(Forged):
        checked(**changed)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", list(HEADERS))
def test_every_header_is_needed(name: str) -> None:
    with pytest.raises(Forged, match="header"):
        verify(SECRET, {key: value for key, value in HEADERS.items() if key != name}, BODY)
