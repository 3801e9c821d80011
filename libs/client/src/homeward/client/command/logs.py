"""``homeward log``: check the history without trusting the operator."""

from pathlib import Path
from typing import Annotated, Any

import typer

from .. import bundle as bundles
from .output import As, AsJson, complain, counted, print_json, print_rows, progress, say, session, writable

commands = typer.Typer(no_args_is_help=True, help="Verify the log: nothing changed, nothing missing.")


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(commands, name="log")


@commands.command()
def checkpoint(credentials: As = None) -> None:
    """The log's signed checkpoint, as published."""
    with session(credentials) as platform:
        typer.echo(platform.public("/log/checkpoint").decode(), nl=False)


@commands.command()
def bundle(
    out: Annotated[Path, typer.Argument(help="The file to write.")],
    credentials: As = None,
    as_json: AsJson = False,
) -> None:
    """Fetch the whole log into one file, to be verified offline."""
    with session(credentials) as platform, progress("fetching the log") as report:
        size = bundles.fetch(platform, writable(out), report)
    if as_json:
        return print_json({"size": size, "file": str(out)})
    return say(f"{counted(size, 'entry', 'entries')} in {out}. Check it: homeward log verify {out}")


@commands.command()
def verify(
    file: Annotated[
        Path, typer.Argument(help="A bundle made by `homeward log bundle`.", exists=True, dir_okay=False)
    ],
    vkey: Annotated[str | None, typer.Option(help="The log's verifier key, as you know it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Verify a bundle: signature, every entry, no gap in any source. Needs no connection."""
    try:
        found = bundles.verify(file, vkey)
    except ValueError as error:
        if as_json:
            print_json({"verified": False, "reason": str(error)})
        else:
            complain("Not verified", str(error))
        raise typer.Exit(1) from None
    gaps = sum(len(ranges) for ranges in found.gaps.values())
    repeated = sum(len(twice) for twice in found.repeated.values())
    if as_json:
        print_json(
            {
                "verified": True, "origin": found.origin, "size": found.size, "root": found.root.hex(),
                "gaps": gaps, "repeated": repeated, "sources": found.sources,
            }
        )  # fmt: skip
    else:
        print_rows(
            ("source", "last sequence", "missing", "given twice"), _sources(found), none="The log is empty."
        )
        say(
            f"Verified: {counted(found.size, 'entry', 'entries')} of {found.origin}, nothing changed; "
            f"{counted(gaps, 'gap', 'gaps')}{f', {repeated} given twice' if repeated else ''}."
        )
        if vkey is None:
            say("The key is the bundle's own; give --vkey to check who signed it.")
    raise typer.Exit(1 if gaps or repeated else 0)


@commands.command()
def completeness(credentials: As = None, as_json: AsJson = False) -> None:
    """Whether any source's sequence has a gap. Exit code 1 if so."""
    with session(credentials) as platform:
        answer = platform.get("/v1/audit/completeness")
    if as_json:
        print_json(answer)
    else:
        print_rows(
            ("source", "last", "entries", "missing"),
            [(s["source"], s["last"], s["count"], _listed(s)) for s in answer["sources"]],
            none="The log is empty.",
        )
        for source in answer["missing_sources"]:
            say(f"Nothing at all is there of {source}, though of a later epoch there is.")
        verdict = "Complete" if answer["complete"] else "Not complete"
        filled = "" if answer["complete"] else " and may fill what is missing"
        waiting = "" if answer["settled"] else f" Events are under way{filled}."
        say(f"{verdict}: {counted(answer['size'], 'entry', 'entries')}.{waiting}")
    raise typer.Exit(0 if answer["complete"] else 1)


@commands.command()
def prove(
    event_id: Annotated[str, typer.Argument(help="An event's id, as a receipt names it.")],
    credentials: As = None,
) -> None:
    """The proof that an event is in the log, as JSON."""
    with session(credentials) as platform:
        print_json(platform.get("/log/proof/inclusion", event_id=event_id))


def _sources(found: bundles.Verified) -> list[tuple[str, int, str, str]]:
    return [
        (
            source,
            last,
            _ranges(found.gaps.get(source, [])),
            _ranges([(n, n) for n in found.repeated.get(source, [])]),
        )
        for source, last in found.sources.items()
    ]


def _listed(source: dict[str, Any]) -> str:
    more = ", …" if source["more_gaps"] else ""
    return _ranges([(gap["first"], gap["last"]) for gap in source["gaps"]]) + more


def _ranges(ranges: bundles.Ranges) -> str:
    return ", ".join(f"{first}" if first == last else f"{first}-{last}" for first, last in ranges) or "none"
