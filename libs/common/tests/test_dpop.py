"""A proof is for one request, by one key, with a nonce of ours; the client's clock does not matter."""

import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from harness.proving import prove
from homeward.common import jose
from homeward.common.dpop import (
    AHEAD,
    SHARE,
    Asked,
    NonceWanted,
    Proof,
    ProofRefused,
    nonces_at,
    read_proof,
)

URL = "https://homeward.example/v1/events"
NOW = 1_736_242_200
KEY = jose.new_key()
P256 = ECKey.generate_key("P-256")
ASKED = Asked("GET", URL, "the token")
NONCES = ("n1", "n0", "n2")


def read(*sent: str, asked: Asked = ASKED, nonces: tuple[str, ...] = NONCES, now: float = NOW) -> Proof:
    return read_proof(sent, asked, nonces=nonces, now=now)


def made(key: OKPKey | ECKey = KEY, **other: Any) -> str:
    right = {"token": "the token", "nonce": "n1", "jti": "one", "method": "GET", "url": URL}
    known = {**right, **other}
    return prove(key, known.pop("method"), known.pop("url"), **known)


@pytest.mark.parametrize("key", [KEY, P256], ids=["Ed25519", "ES256"])
def test_a_good_proof_tells_by_which_key_it_is(key: OKPKey | ECKey) -> None:
    assert read(made(key)) == Proof(key.thumbprint(), "one", "n1")


@pytest.mark.filterwarnings("ignore:EdDSA")
def test_the_older_name_of_the_algorithm_is_understood() -> None:
    assert read(made(header={"alg": "EdDSA"})).jkt == KEY.thumbprint()


def test_each_proof_has_an_id_of_its_own() -> None:
    ids = {read(made(key, jti=jti)).id for key in (KEY, P256) for jti in ("one", "two", "\0", "\ud800", "é")}
    assert len(ids) == 10
    assert {len(one) for one in ids} == {32}


WRONG: dict[str, dict[str, Any]] = {
    "of another method": {"method": "POST"},
    "of another path": {"url": f"{URL}/ack"},
    "of another host": {"url": "https://elsewhere.example/v1/events"},
    "of another scheme": {"url": "http://homeward.example/v1/events"},
    "of another port": {"url": "https://homeward.example:444/v1/events"},
    "of no port at all": {"url": "https://homeward.example:x/v1/events"},
    "of a path alone": {"url": "/v1/events"},
    "with an address that is no text": {"htu": 7},
    "with another token": {"token": "another"},
    "without the token": {"ath": None},
    "without an id": {"jti": None},
    "with an empty id": {"jti": ""},
    "with an id that is no text": {"jti": 7},
    "without a time": {"iat": None},
    "with a time that is none": {"iat": "now"},
    "of another type": {"header": {"typ": "jwt"}},
    "of no type": {"header": {"typ": None}},
    "without its key": {"header": {"jwk": None}},
    "with somebody else's key": {"header": {"jwk": jose.new_key().as_dict(private=False)}},
    "with its private key": {"header": {"jwk": KEY.as_dict(private=True)}},
    "with half a key": {"header": {"jwk": {"kty": "OKP", "crv": "Ed25519"}}},
    "with a key of another kind": {"header": {"jwk": P256.as_dict(private=False)}},
}


@pytest.mark.parametrize("case", WRONG)
def test_a_proof_is_refused(case: str) -> None:
    with pytest.raises(ProofRefused) as refused:
        read(made(**WRONG[case]))
    assert not isinstance(refused.value, NonceWanted)
    assert "example" not in str(refused.value)


def test_what_is_signed_in_another_way_is_refused() -> None:
    for alg, key in (("RS256", RSAKey.generate_key(2048)), ("HS256", OctKey.generate_key(256))):
        with pytest.raises(ProofRefused):
            read(prove(key, "GET", URL, token="the token", nonce="n1", header={"alg": alg}))  # type: ignore[arg-type]
    header, claims, signature = made().split(".")
    none = urlsafe_b64encode(json.dumps({"typ": "dpop+jwt", "alg": "none"}).encode()).decode().rstrip("=")
    for text in (f"{none}.{claims}.", f"{header}.{claims}.", f"{header}.{claims}.{signature[:-4]}AAAA"):
        with pytest.raises(ProofRefused):
            read(text)


def test_one_proof_is_needed_and_no_more() -> None:
    for sent in ((), (made(), made()), ("x" * 5_000,), (made(jti="x" * 4_000),)):
        with pytest.raises(ProofRefused):
            read(*sent)


@given(st.text() | st.lists(st.text(alphabet="AZaz09-_="), min_size=3, max_size=3).map(".".join))
def test_whatever_is_sent_as_a_proof_is_refused(text: str) -> None:
    with pytest.raises(ProofRefused):
        read(text)


@pytest.mark.parametrize(
    "url",
    [
        f"{URL}?limit=10", f"{URL}#x", "HTTPS://Homeward.Example:443/v1/events",
        "https://homeward.example/v1/%65vents",
    ],
)  # fmt: skip
def test_addresses_that_mean_the_same_are_the_same(url: str) -> None:
    read(made(url=url))


@pytest.mark.parametrize("nonce", [None, "", "n3", "N1", 7, ["n1"], {"n1": 1}])
def test_a_nonce_that_is_not_ours_asks_for_another(nonce: Any) -> None:
    with pytest.raises(NonceWanted):
        read(made(nonce=nonce))


@given(st.integers(-(10**12), 10**12))
def test_with_a_nonce_the_clients_clock_does_not_matter(off: int) -> None:
    read(made(iat=NOW + off))


@pytest.mark.parametrize(("off", "good"), [(0, True), (300, True), (-300, True), (301, False), (-301, False)])
def test_without_nonces_clocks_may_differ_by_five_minutes(off: int, good: bool) -> None:
    proof = made(iat=NOW + off, nonce=None)
    if good:
        read(proof, nonces=())
    else:
        with pytest.raises(ProofRefused, match="another time"):
            read(proof, nonces=())


@given(st.floats(0, 4e9), st.floats(0, SHARE))
def test_a_nonce_is_taken_for_one_share_at_least_and_two_at_most(now: float, later: float) -> None:
    given_now = nonces_at(b"secret", now)[0]
    assert given_now in nonces_at(b"secret", now + later)
    behind = later * AHEAD / SHARE
    assert given_now in nonces_at(b"secret", now - behind)  # at a replica whose clock is behind
    assert given_now not in nonces_at(b"secret", now + 2 * SHARE)
    assert given_now not in nonces_at(b"another", now)
