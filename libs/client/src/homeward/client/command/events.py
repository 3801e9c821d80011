"""``homeward events``: a partner's feed."""

import json
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from ..feed import acknowledge, follow, pages
from .output import As, AsJson, counted, print_json, print_rows, say, session, writable

commands = typer.Typer(no_args_is_help=True, help="Read and acknowledge the events you may see.")


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(commands, name="events")


@commands.command()
def pull(
    cursor: Annotated[str | None, typer.Option(help="Continue from here; else from the beginning.")] = None,
    limit: Annotated[int, typer.Option(help="Events a request.", min=1, max=1_000)] = 500,
    wait: Annotated[int, typer.Option(help="Seconds to wait for an event.", min=0, max=30)] = 0,
    out: Annotated[Path | None, typer.Option(help="Write events here, one JSON object a line.")] = None,
    credentials: As = None,
    as_json: AsJson = False,
) -> None:
    """Pull until caught up. With --json: each event on a line (unless --out), then how far that was."""
    kinds: Counter[str] = Counter()
    last = "0"
    with (
        session(credentials) as platform,
        writable(out).open("w", encoding="utf-8") if out else nullcontext() as lines,
    ):
        for events, reached in pages(platform, cursor, limit=limit, wait=wait):
            cursor = reached
            for event in events:
                kinds[event["type"]] += 1
                last = event["sequence"]
                if lines:
                    lines.write(json.dumps(event, ensure_ascii=False) + "\n")
                elif as_json:
                    print_json(event)
    if as_json:
        return print_json({"events": kinds.total(), "last_sequence": int(last), "cursor": cursor})
    if not kinds:
        return say("No new events.")
    print_rows(("type", "events"), sorted(kinds.items()), none="")
    say(f"{counted(kinds.total(), 'event', 'events')}; last sequence {int(last)}; cursor {cursor}")
    return say(f"When you have handled them: homeward events ack {int(last)}")


@commands.command("follow")
def follow_feed(
    cursor_file: Annotated[Path, typer.Option(help="Where we were, kept between runs.")] = Path("cursor"),
    credentials: As = None,
) -> None:
    """Print events as they come, one JSON object a line, until interrupted."""
    writable(cursor_file)
    try:
        with session(credentials) as platform:
            for event in follow(platform, cursor_file):
                print_json(event)
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


@commands.command()
def stats(credentials: As = None, as_json: AsJson = False) -> None:
    """How far you have got with your feed."""
    with session(credentials) as platform:
        found = platform.get("/v1/events/stats")
    if as_json:
        return print_json(found)
    return print_rows(("what", "how much"), list(found.items()), none="Nothing is known.")


@commands.command()
def ack(
    sequence: Annotated[int, typer.Argument(help="The last sequence you have handled.", min=1)],
    credentials: As = None,
    as_json: AsJson = False,
) -> None:
    """Confirm having handled the feed up to a sequence, retractions and erasures included."""
    with session(credentials) as platform:
        reached = acknowledge(platform, sequence)
    if as_json:
        return print_json({"sequence": reached})
    return say(f"Acknowledged up to {reached}.")
