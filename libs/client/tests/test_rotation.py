"""A partner changes its own key: the new one is safe on disk before anybody hears of it."""

import json
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import OKPKey

from harness.fake_platform import FakePlatform
from homeward.client.credentials import Credentials

from .conftest import Homeward

PATH = "/v1/own/keys"
KEYS = [
    {"kid": "new", "since": "2025-01-07", "until": None, "revoked_at": None},
    {"kid": "old", "since": "2024-01-07", "until": "2025-01-14", "revoked_at": None},
]


def key_in(file: Path) -> OKPKey:
    return Credentials.read(file).key


def test_the_file_gets_the_new_key_once_it_is_registered_with_proof_of_both(
    homeward: Homeward, fake: FakePlatform, credentials: Path
) -> None:
    fake.answers["POST", PATH] = (201, {"keys": KEYS})
    former = key_in(credentials)
    ran = homeward("partner", "rotate-key", "--as", credentials)
    assert (ran.code, ran.err) == (0, "")
    assert "old" in ran.out
    new = key_in(credentials)
    assert new.thumbprint() != former.thumbprint()
    assert credentials.stat().st_mode & 0o077 == 0
    assert [path.name for path in credentials.parent.iterdir()] == [credentials.name]
    sent = json.loads(fake.requests[-1][2])
    assert sent["public_jwk"] == new.as_dict(private=False)
    for name, key in (("by_old", former), ("by_new", new)):
        claims = jwt.decode(sent[name], key, algorithms=["Ed25519"]).claims
        assert (claims["iss"], claims["aud"]) == ("me", fake.base_url + PATH)
        assert claims["new_kid"] == new.thumbprint()


def test_a_refusal_changes_nothing(homeward: Homeward, fake: FakePlatform, credentials: Path) -> None:
    fake.answers["POST", PATH] = (409, {"detail": "Two keys are good at the moment."})
    former = credentials.read_text()
    ran = homeward("partner", "rotate-key", "--as", credentials)
    assert ran.code == 1
    assert "Two keys are good" in ran.err
    assert credentials.read_text() == former
    assert [path.name for path in credentials.parent.iterdir()] == [credentials.name]


@pytest.mark.parametrize("registered", [True, False])
def test_when_only_the_answer_is_lost_the_same_again_goes_on(
    homeward: Homeward, fake: FakePlatform, credentials: Path, registered: bool
) -> None:
    fake.answers["POST", PATH] = [(503, {"detail": "Away."}), (201, {"keys": KEYS})]
    fake.answers["GET", PATH] = (200, {"keys": KEYS}) if registered else (401, {"detail": "Unknown."})
    assert homeward("partner", "rotate-key", "--as", credentials).code == 3
    beside = credentials.with_name(f"{credentials.name}.next")
    assert beside.stat().st_mode & 0o077 == 0
    made = key_in(beside).thumbprint()
    assert homeward("partner", "rotate-key", "--as", credentials).code == 0
    assert key_in(credentials).thumbprint() == made
    assert not beside.exists()
    posted = [method for method, _, _ in fake.requests].count("POST")
    assert posted == (1 if registered else 2)


def test_an_operator_names_the_partner(homeward: Homeward, fake: FakePlatform, credentials: Path) -> None:
    assert homeward("partner", "rotate-key", "--out", "x.json", "--as", credentials).code == 2
    fake.answers["GET", "/v1/partners/ngo/keys"] = (200, {"keys": KEYS})
    fake.answers["GET", PATH] = (200, {"keys": KEYS[:1]})
    fake.answers["POST", "/v1/partners/ngo/keys/old/revoke"] = (200, {"keys": KEYS})
    fake.answers["POST", f"{PATH}/old/revoke"] = (200, {"keys": KEYS})
    fake.answers["POST", "/v1/partners/ngo/dpop"] = (200, {"agency": "ngo", "dpop": "optional"})
    for arguments, shown in (
        (("keys", "ngo"), 2), (("keys",), 1), (("revoke-key", "old", "ngo"), 2), (("revoke-key", "old"), 2),
    ):  # fmt: skip
        ran = homeward("partner", *arguments, "--json", "--as", credentials)
        assert ran.code == 0
        assert len(json.loads(ran.out)) == shown
    assert homeward("partner", "dpop", "ngo", "optional", "--as", credentials).code == 0
