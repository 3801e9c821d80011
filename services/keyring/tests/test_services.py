"""Who may ask: the services file, and the assertions by which services prove themselves."""

import time
from pathlib import Path
from typing import Any

import pytest

from homeward.common import jose
from homeward.common.keyring_http import AUDIENCE
from homeward.common.parts import Parts
from homeward.keyring.configure import configure
from homeward.keyring.domain import ENTITLEMENTS
from homeward.keyring.kek_files import KekFiles
from homeward.keyring.services import Services, ServicesUnusable

KEY = jose.new_key()
GOOD: dict[str, Any] = {"jwk": jose.public_jwk(KEY), "classes": ["envelope"]}
NOW = 1_750_000_000


def no_parts() -> Parts:
    raise AssertionError("needs no database")


def services(**known: Any) -> Services:
    return Services(no_parts, KekFiles(Path("none")), known, now=lambda: NOW)


def assertion(key: Any = KEY, **changed: Any) -> str:
    claims = {"iss": "intake", "aud": AUDIENCE, "iat": NOW, "exp": NOW + 60} | changed
    return jose.sign({name: value for name, value in claims.items() if value is not None}, key)


class TestServicesFile:
    """A file that is not valid is refused at start, with the place that is wrong."""

    @pytest.mark.parametrize(
        ("entry", "wrong"),
        [
            ({}, "entry intake needs jwk and classes"),
            ({"jwk": GOOD["jwk"]}, "entry intake needs jwk and classes"),
            ({**GOOD, "jwk": {"kty": "OKP"}}, "entry intake needs jwk and classes"),
            ({**GOOD, "jwk": "text"}, "entry intake needs jwk and classes"),
            ({**GOOD, "classes": None}, "entry intake needs jwk and classes"),
            ({**GOOD, "classes": ["shoe_size"]}, "entry intake: shoe_size is no class"),
            ("text", "entry intake needs jwk and classes"),
        ],
    )
    def test_the_wrong_entry_is_named(self, entry: Any, wrong: str) -> None:
        with pytest.raises(ServicesUnusable, match=wrong):
            services(intake=entry)

    def test_nobody_may_take_the_keyrings_own_name(self) -> None:
        with pytest.raises(ServicesUnusable, match="keyring is the keyring's own name"):
            services(keyring=GOOD)

    @pytest.mark.parametrize("text", ["", "[]", "{", "\x80"])
    def test_what_is_no_json_object_is_refused(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "services.json"
        path.write_bytes(text.encode("latin-1"))
        with pytest.raises(ServicesUnusable, match=str(path)):
            Services.read(path)

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ServicesUnusable, match="FileNotFoundError"):
            Services.read(tmp_path / "none.json")

    def test_fresh_secrets_fit_each_other_and_are_kept(self, tmp_path: Path) -> None:
        configure(tmp_path)
        before = {path.name: path.read_text() for path in tmp_path.iterdir()}
        configure(tmp_path)
        assert {path.name: path.read_text() for path in tmp_path.iterdir()} == before
        known = Services.read(tmp_path / "services.json")
        assert {name: set(entry["classes"]) for name, entry in known.items()} == {
            name: set(classes) for name, classes in ENTITLEMENTS.items() if name != "keyring"
        }
        assert not any("d" in entry["jwk"] for entry in known.values()), "no private half"
        private = [path for path in tmp_path.iterdir() if path.name != "services.json"]
        assert {path.stat().st_mode & 0o777 for path in private} == {0o600}


class TestAssertions:
    """Short-lived, for the keyring, signed by the key that the services file names."""

    def test_a_good_one_names_the_service(self) -> None:
        assert services(intake=GOOD).authenticate(assertion(), AUDIENCE) == "intake"

    @pytest.mark.parametrize(
        ("token", "why"),
        [
            (assertion(exp=NOW - 31, iat=NOW - 90), "expired_token"),
            (assertion(aud="another"), "invalid_claim"),
            (assertion(aud=None), "missing_claim"),
            (assertion(exp=None), "missing_claim"),
            (assertion(exp=NOW + 3_600), "lives_too_long"),
            (assertion(exp=float("nan")), "invalid_claim"),
            (assertion(key=jose.new_key()), "bad_signature"),
            (assertion(iss="exchange"), "unknown_service"),
            (assertion(iss=None), "unknown_service"),
            (assertion(iss=["intake"]), "unknown_service"),
            ("", "unknown_service"),
            ("not.a.token", "unknown_service"),
        ],
    )
    def test_any_other_is_refused_with_the_reason(self, token: str, why: str) -> None:
        with pytest.raises(jose.TokenRefused, match=why):
            services(intake=GOOD).authenticate(token, AUDIENCE)

    def test_one_service_cannot_speak_for_another(self) -> None:
        known = services(intake=GOOD, exchange={**GOOD, "jwk": jose.public_jwk(jose.new_key())})
        with pytest.raises(jose.TokenRefused):
            known.authenticate(assertion(iss="exchange"), AUDIENCE)

    def test_the_wall_clock_is_the_default(self) -> None:
        known = Services(no_parts, KekFiles(Path("none")), {"intake": GOOD})
        now = int(time.time())
        assert known.authenticate(assertion(iat=now, exp=now + 60), AUDIENCE) == "intake"
