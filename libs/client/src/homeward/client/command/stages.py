"""A partner's life: ``homeward partner go-live|revoke|offboard|close|certificate``, ``homeward sandbox``."""

from typing import Annotated, Any

import typer

from .output import As, AsJson, print_json, say, session
from .partners import Agency, commands, show_keys

sandbox = typer.Typer(no_args_is_help=True, help="Try out with made-up people, before you go live.")


def register(app: typer.Typer) -> None:
    """Add these commands; those of ``partner`` are added to what is there."""
    app.add_typer(sandbox, name="sandbox")


@commands.command("go-live")
def go_live(agency: Agency, credentials: As = None) -> None:
    """Out of the sandbox: made-up people are taken back, real ones come as far as it may see them."""
    with session(credentials) as platform:
        platform.post(f"/v1/partners/{agency}/go-live")
    say(f"{agency} is live.")


@commands.command()
def revoke(agency: Agency, credentials: As = None, as_json: AsJson = False) -> None:
    """Have all keys of a partner, and every token got by them, be refused; rotate-key lets it in again."""
    with session(credentials) as platform:
        show_keys(platform.post(f"/v1/partners/{agency}/revoke")["keys"], as_json)


@commands.command()
def offboard(agency: Agency, credentials: As = None, as_json: AsJson = False) -> None:
    """The partner leaves: nothing more goes to it, and all that it has is taken back."""
    with session(credentials) as platform:
        _show(platform.post(f"/v1/partners/{agency}/offboard"), as_json)


@commands.command()
def close(
    agency: Agency,
    reason: Annotated[str | None, typer.Option(help="Why, if it has not confirmed everything.")] = None,
    credentials: As = None,
    as_json: AsJson = False,
) -> None:
    """The partner has left, for good: once it has confirmed that it let go of everything."""
    with session(credentials) as platform:
        _show(platform.post(f"/v1/partners/{agency}/close", {"reason": reason} if reason else {}), as_json)


@commands.command()
def certificate(agency: Agency, credentials: As = None, as_json: AsJson = False) -> None:
    """What a partner that leaves was given, and what it has confirmed to have let go of."""
    with session(credentials) as platform:
        _show(platform.get(f"/v1/partners/{agency}/certificate"), as_json)


@sandbox.command("report")
def try_report(credentials: As = None) -> None:
    """One more made-up person is reported to you."""
    _try("reports", credentials)


@sandbox.command("withdraw")
def try_withdrawal(credentials: As = None) -> None:
    """One of the made-up people withdraws the consent, and you get retractions."""
    _try("withdrawals", credentials)


def _try(what: str, credentials: Any) -> None:
    with session(credentials) as platform:
        reached = platform.post(f"/v1/own/sandbox/{what}")["last_sequence"]
    say(f"It is in your feed, which ends at {reached} now: homeward events pull")


def _show(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        return print_json(found)
    say(f"{found['agency']} leaves since {found['leaving_since']}.")
    say(f"{found['releases']} releases, of which {found['standing']} are still to be taken back.")
    say(f"{found['retractions']} retractions and erasures, {found['unacknowledged']} not acknowledged.")
    if found["left_at"]:
        say(f"It has left at {found['left_at']}. The proof: homeward log prove {found['event_id']}")
    return None
