"""``homeward partner``: the registry, for operators."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from ..credentials import create
from ..rotation import rotate
from ..session import Session
from .output import As, AsJson, Unusable, print_json, print_rows, read_json, say, session

commands = typer.Typer(no_args_is_help=True, help="Register partners and what they may ever see.")
Maybe = Annotated[str | None, typer.Argument(metavar="[PARTNER]", help="The partner's id.")]
Agency = Annotated[str, typer.Argument(help="The partner's id: lower-case letters, digits, hyphens.")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(commands, name="partner")


@commands.command()
def add(
    agency: Agency,
    name: Annotated[str, typer.Option(help="The partner's name for people.")],
    kind: Annotated[str, typer.Option(help="HTCDS org_Type: NGO, LawEnforcement, …")],
    country: Annotated[str, typer.Option(help="ISO alpha-3.")],
    purpose: Annotated[list[str], typer.Option(help="search, identification, assistance; repeat.")],
    clearance: Annotated[list[str], typer.Option(help="A field class it may ever be given; repeat.")],
    out: Annotated[
        Path | None, typer.Option(help="Make a key pair and write the partner's credentials here.")
    ] = None,
    public_jwk: Annotated[Path | None, typer.Option(help="The partner's own public key (JWK).")] = None,
    vouched_by: Annotated[str | None, typer.Option(help="Its own issuer (iss), which you trust.")] = None,
    vouched_as: Annotated[str | None, typer.Option(help="Its client's id there.")] = None,
    data_home: Annotated[str | None, typer.Option(help="Country of its storage; default: its own.")] = None,
    accredited: Annotated[bool, typer.Option(help="Accredited to assist people.")] = False,
    sandbox: Annotated[bool, typer.Option(help="It only tries out, with made-up people.")] = False,
    dpop: Annotated[
        str, typer.Option(help="optional: it cannot prove possession of a key yet.")
    ] = "required",
    credentials: As = None,
    as_json: AsJson = False,
) -> None:
    """Register a partner. Better that it makes its own key and sends only the public half."""
    if (vouched_by is None) != (vouched_as is None):
        raise Unusable("--vouched-by and --vouched-as belong together.")
    there = {"vouched": {"issuer": vouched_by, "client_id": vouched_as}} if vouched_by else None
    with session(credentials) as platform, _credential(platform, agency, out, public_jwk, there) as known:
        body = {
            "agency": agency, "name": name, "kind": kind, "country": country, "accredited": accredited,
            "data_home": data_home or country, "purposes": purpose, "clearance": clearance, "dpop": dpop,
            "sandbox": sandbox, **known,
        }  # fmt: skip
        partner = platform.post("/v1/partners", body)
    _show(partner, as_json, out)


@commands.command("list")
def list_partners(credentials: As = None, as_json: AsJson = False) -> None:
    """All partners, how far their feeds have got, and what they should have confirmed to be deleted."""
    with session(credentials) as platform:
        partners = platform.get("/v1/partners")["partners"]
    if as_json:
        return print_json(partners)
    return print_rows(
        ("partner", "kind", "country", "state", "events", "read", "acknowledged", "retractions overdue"),
        [
            (p["agency"], p["kind"], p["country"], _state(p), p["last_seq"],
              p["read_seq"], p["acked_seq"], p["retractions_overdue"])
            for p in partners
        ],
        none="No partner is registered.",
    )  # fmt: skip


@commands.command()
def show(agency: Agency, credentials: As = None, as_json: AsJson = False) -> None:
    """One partner."""
    with session(credentials) as platform:
        _show(platform.get(f"/v1/partners/{agency}"), as_json)


@commands.command()
def suspend(agency: Agency, credentials: As = None, as_json: AsJson = False) -> None:
    """From now on the partner reads nothing."""
    with session(credentials) as platform:
        _show(platform.post(f"/v1/partners/{agency}/suspend"), as_json)


@commands.command()
def resume(agency: Agency, credentials: As = None, as_json: AsJson = False) -> None:
    """The partner reads again."""
    with session(credentials) as platform:
        _show(platform.post(f"/v1/partners/{agency}/resume"), as_json)


@commands.command()
def keys(agency: Maybe = None, credentials: As = None, as_json: AsJson = False) -> None:
    """A partner's keys; without a partner's id, your own."""
    with session(credentials) as platform:
        show_keys(platform.get(_keys_of(agency))["keys"], as_json)


@commands.command("rotate-key")
def rotate_key(
    agency: Maybe = None,
    out: Annotated[Path | None, typer.Option(help="Make a key pair and write credentials here.")] = None,
    public_jwk: Annotated[Path | None, typer.Option(help="The partner's new public key (JWK).")] = None,
    credentials: As = None,
    as_json: AsJson = False,
) -> None:
    """Replace a key. Without a partner's id it is your own: the credentials file gets a new one, and the
    former stays good for a while. An operator who replaces a partner's ends the former at once."""
    with session(credentials) as platform:
        if agency is not None:
            with _credential(platform, agency, out, public_jwk) as known:
                partner = platform.post(f"/v1/partners/{agency}/rotate-key", known)
            return _show(partner, as_json, out)
        if out or public_jwk:
            raise Unusable("--out and --public-jwk are for a partner that is named.")
        assert credentials is not None
        found = rotate(platform, credentials)
    show_keys(found, as_json)
    return None if as_json else say(f"The new key is in {credentials}: put it wherever the former one is.")


@commands.command("revoke-key")
def revoke_key(
    kid: Annotated[str, typer.Argument(help="The key's id, as `homeward partner keys` shows it.")],
    agency: Maybe = None,
    credentials: As = None,
    as_json: AsJson = False,
) -> None:
    """Have a key, and every token got by it, be refused from now on; it may be in wrong hands."""
    with session(credentials) as platform:
        show_keys(platform.post(f"{_keys_of(agency)}/{kid}/revoke")["keys"], as_json)


@commands.command()
def dpop(
    agency: Agency,
    proof: Annotated[str, typer.Argument(help="required, or optional for who cannot prove possession.")],
    credentials: As = None,
    as_json: AsJson = False,
) -> None:
    """Whether a partner's tokens must be bound to a key."""
    with session(credentials) as platform:
        _show(platform.post(f"/v1/partners/{agency}/dpop", {"dpop": proof}), as_json)


def _state(partner: dict[str, Any]) -> str:
    stage = str(partner["stage"])
    return f"{stage}, suspended" if partner["suspended"] and stage != "left" else stage


def _keys_of(agency: str | None) -> str:
    return "/v1/own/keys" if agency is None else f"/v1/partners/{agency}/keys"


def show_keys(found: list[dict[str, Any]], as_json: bool) -> None:
    """A partner's keys."""
    if as_json:
        return print_json(found)
    return print_rows(
        ("key", "since", "good until", "revoked"),
        [(key["kid"], key["since"], key["until"], key["revoked_at"]) for key in found],
        none="There is no key.",
    )


def _show(partner: dict[str, Any], as_json: bool, out: Path | None = None) -> None:
    if as_json:
        return print_json(partner)
    for field, value in partner.items():
        say(f"{field:>14}  {', '.join(value) if isinstance(value, list) else value}")
    if out:
        say(f"Its credentials are in {out}; hand them over on a safe way and keep no copy.")
    return None


@contextmanager
def _credential(
    platform: Session,
    agency: str,
    out: Path | None,
    public_jwk: Path | None,
    vouched: dict[str, Any] | None = None,
) -> Iterator[dict[str, Any]]:
    """How the partner proves itself, as it is registered: by a key that is given, or by one of a pair made in
    ``out``, which is not left there if it was not registered, or by who vouches for it."""
    if sum(given is not None for given in (out, public_jwk, vouched)) != 1:
        raise Unusable("Give either --out, or --public-jwk, or for a new partner --vouched-by.")
    if vouched is not None:
        yield vouched
        return
    if out is None:
        assert public_jwk is not None
        jwk = read_json(public_jwk, "public key (JWK)")
        if not isinstance(jwk, dict):
            raise Unusable(f"{public_jwk} is no public key (JWK).")
        if "d" in jwk:
            raise Unusable(f"{public_jwk} holds a private key; give its public half only.")
        yield {"public_jwk": jwk}
        return
    made = create(out, platform.credentials.base_url, agency)
    try:
        yield {"public_jwk": made}
    except BaseException:
        out.unlink(missing_ok=True)
        raise
