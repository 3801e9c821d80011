"""``homeward webhook``: where a partner is told of its events."""

from typing import Annotated, Any

import typer

from .output import As, AsJson, print_json, print_rows, say, session

PATH = "/v1/own/webhook"
commands = typer.Typer(no_args_is_help=True, help="Be told of your events at an address of yours.")


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(commands, name="webhook")


@commands.command()
def add(
    url: Annotated[str, typer.Argument(help="Where to post: https://…")],
    payload: Annotated[str, typer.Option(help="full, or ids: without content.")] = "full",
    credentials: As = None,
    as_json: AsJson = False,
) -> None:
    """Have events be posted there from now on, or go on there; shows the secret that signs them."""
    with session(credentials) as platform:
        webhook = platform.request("PUT", PATH, json={"url": url, "payload": payload}).json()
    _show(webhook, as_json)


@commands.command("list")
def show(credentials: As = None, as_json: AsJson = False) -> None:
    """Show your webhook and how it goes."""
    with session(credentials) as platform:
        webhook = platform.get(PATH)
    _show(webhook, as_json)


@commands.command("test")
def try_out(credentials: As = None, as_json: AsJson = False) -> None:
    """Have a message be sent now. Exit code 1 if it did not arrive."""
    with session(credentials) as platform:
        tried = platform.post(f"{PATH}/test")
    if as_json:
        print_json(tried)
    else:
        say("It arrived." if tried["delivered"] else f"It did not arrive: {tried['problem']}.")
    if not tried["delivered"]:
        raise typer.Exit(1)


@commands.command()
def recover(
    since: Annotated[str, typer.Argument(help="A time: 2026-11-24T00:00:00Z")],
    credentials: As = None,
    as_json: AsJson = False,
) -> None:
    """Have everything since a time be sent again; one that was disabled goes on."""
    with session(credentials) as platform:
        webhook = platform.post(f"{PATH}/recover", {"since": since})
    _show(webhook, as_json)


@commands.command("rotate-secret")
def rotate_secret(credentials: As = None, as_json: AsJson = False) -> None:
    """Get another secret; for a day both are good."""
    with session(credentials) as platform:
        webhook = platform.post(f"{PATH}/rotate-secret")
    _show(webhook, as_json)


@commands.command()
def remove(credentials: As = None) -> None:
    """Have nothing be sent any more."""
    with session(credentials) as platform:
        platform.request("DELETE", PATH)
    say("Removed.")


def _show(webhook: dict[str, Any], as_json: bool) -> None:
    if as_json:
        return print_json(webhook)
    told = [(name.replace("_", " "), value) for name, value in webhook.items() if value is not None]
    return print_rows(("what", "is"), told, none="")
