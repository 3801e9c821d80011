"""Counts, explanations, dead letters, keys, and an authorised request for everything else."""

import sys
from typing import Annotated, Any

import typer

from ..session import Session
from .output import As, AsJson, Unusable, counted, parse_json, print_json, print_rows, say, session

letters = typer.Typer(no_args_is_help=True, help="Records that no handler could take.")
keys = typer.Typer(no_args_is_help=True, help="The keys that everything is sealed with.")
SERVICES = ("intake", "verification", "referral", "exchange", "audit")
Service = Annotated[str, typer.Option(help="The service whose letter it is.")]
Letter = Annotated[str, typer.Argument(help="The dead letter's id.")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(letters, name="dead-letters")
    app.add_typer(keys, name="keys")
    app.command()(counts)
    app.command()(explain)
    app.command("http")(http_request)


def counts(credentials: As = None, as_json: AsJson = False) -> None:
    """Reports, persons, erased: side by side, never one number."""
    with session(credentials) as platform:
        answer = platform.get("/v1/counts")
    if as_json:
        return print_json(answer)
    return print_rows(("what", "how many"), list(answer.items()), none="Nothing is counted.")


def explain(
    event: Annotated[str, typer.Argument(help="The event's id, or that of a release of it.")],
    agency: Annotated[str | None, typer.Option(help="The partner's id; default: your own.")] = None,
    credentials: As = None,
    as_json: AsJson = False,
) -> None:
    """Why a partner sees what it sees of an event; partners ask about their own, by the id they got."""
    with session(credentials) as platform:
        answer = platform.get(f"/v1/decisions/{event}", agency=agency)
    if as_json:
        return print_json(answer)
    if not answer["releases"]:
        say(f"{answer['agency']} sees nothing of it: no policy permits its envelope.")
    for release in answer["releases"]:
        say(f"{release['kind']} {release['sequence']} ({release['state']})")
        say(f"  sees      {', '.join(release['classes']) or 'nothing'}")
        say(f"  withheld  {', '.join(release['withheld']) or 'nothing'}")
    if answer["classes"]:
        say(f"now, by the policies {answer['policy_digest']}:")
    for one in answer["classes"]:
        why = ", ".join(one["policies"])
        allowed = "allowed" if one["allowed"] else "withheld"
        say(f"  {allowed:<9} {one['field_class']}{f': {why}' if why else ''}")
    for policy, reason in answer["policy_reasons"].items():
        say(f"  {policy}: {reason}")
    return None


@letters.command("list")
def list_letters(
    service: Annotated[str, typer.Option(help="One service's; default: all.")] = "",
    credentials: As = None,
    as_json: AsJson = False,
) -> None:
    """Open letters: what failed, and what waits behind it."""
    found = []
    with session(credentials) as platform:
        for name in [service] if service else SERVICES:
            answer = platform.get(f"/v1/{name}/dead-letters")
            found += [{"service": name, **letter} for letter in answer["dead_letters"]]
    if as_json:
        return print_json(found)
    return print_rows(
        ("service", "id", "state", "topic", "partition", "offset", "error"),
        [
            (f["service"], f["id"], f["state"], f["topic"], f["partition"], f["offset"], f["error"])
            for f in found
        ],
        none="No letter is open: every record was handled.",
    )


@letters.command()
def retry(letter: Letter, service: Service, credentials: As = None) -> None:
    """Handle it again; what waits behind it follows in order."""
    with session(credentials) as platform:
        _decided(platform, f"/v1/{service}/dead-letters/{letter}/retry", {})


@letters.command()
def skip(
    letter: Letter,
    service: Service,
    reason: Annotated[str, typer.Option(help="Why; it is audited.")],
    credentials: As = None,
) -> None:
    """Never handle it."""
    with session(credentials) as platform:
        _decided(platform, f"/v1/{service}/dead-letters/{letter}/skip", {"reason": reason})


def _decided(platform: Session, path: str, body: dict[str, str]) -> None:
    say(f"The letter is now: {platform.post(path, body)['state']}.")


@keys.command()
def rotate(credentials: As = None, as_json: AsJson = False) -> None:
    """Change the key-encryption key, after which older copies of the keyring's database are unreadable:
    what they hold of erased people, too. Back up the data folder afterwards."""
    with session(credentials, timeout=3_600) as platform:
        done = platform.post("/v1/keyring/rotations")
    if as_json:
        return print_json(done)
    say(f"{counted(done['keys'], 'data key is', 'data keys are')} wrapped by {done['kek_id']}.")
    return say(f"{done['former_kek_id']} was destroyed at {done['destroyed_at']}.")


def http_request(
    method: Annotated[str, typer.Argument(help="GET, POST, …")],
    path: Annotated[str, typer.Argument(help="A path with its query, such as /v1/events?limit=10.")],
    data: Annotated[str | None, typer.Option(help="A JSON body; - reads it from stdin.")] = None,
    credentials: As = None,
) -> None:
    """An authorised request, for when curl cannot sign."""
    if not path.startswith("/"):
        raise Unusable("The path begins with /, such as /v1/counts; your token goes nowhere else.")
    options: dict[str, Any] = {}
    if data is not None:
        options["json"] = parse_json(sys.stdin.read() if data == "-" else data, "The body cannot be sent")
    with session(credentials) as platform:
        typer.echo(platform.request(method.upper(), path, **options).text)
