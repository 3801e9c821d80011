"""``homeward log``: check the history without trusting the operator."""

from pathlib import Path
from typing import Annotated

import typer

from .. import bundle as bundles
from .output import As, AsJson, print_json, print_rows, progress, session, stderr, stdout

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
        size = bundles.fetch(platform, out, report)
    if as_json:
        return print_json({"size": size, "file": str(out)})
    return stdout.print(f"{size} entries in {out}")


@commands.command()
def verify(
    file: Annotated[Path, typer.Argument(help="A bundle made by `homeward log bundle`.", exists=True)],
    vkey: Annotated[str | None, typer.Option(help="The log's verifier key, as you know it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Verify a bundle: signature, every entry, no gap in any source. Needs no connection."""
    try:
        found = bundles.verify(file, vkey)
    except ValueError as error:
        stderr.print(f"[red]Not verified:[/] {error}", markup=True)
        raise typer.Exit(1) from None
    gaps = sum(len(ranges) for ranges in found.gaps.values())
    if as_json:
        print_json(
            {
                "verified": True, "origin": found.origin, "size": found.size, "root": found.root.hex(),
                "gaps": gaps, "sources": found.sources,
            }
        )  # fmt: skip
    else:
        print_rows(("source", "last sequence", "missing"), _sources(found))
        stdout.print(f"Verified: {found.size} entries of {found.origin}, {gaps} gaps.")
        if vkey is None:
            stdout.print("The key is the bundle's own; give --vkey to check who signed it.")
    raise typer.Exit(1 if found.gaps else 0)


@commands.command()
def completeness(credentials: As = None, as_json: AsJson = False) -> None:
    """Whether any source's sequence has a gap, and what is not sequenced yet."""
    with session(credentials) as platform:
        answer = platform.get("/v1/audit/completeness")
    if as_json:
        return print_json(answer)
    return print_rows(
        ("source", "last", "entries", "gaps"),
        [(s["source"], s["last"], s["count"], s["gaps"]) for s in answer["sources"]],
    )


@commands.command()
def prove(
    event_id: Annotated[str, typer.Argument(help="An event's id, as a receipt names it.")],
    credentials: As = None,
) -> None:
    """The proof that an event is in the log, as JSON."""
    with session(credentials) as platform:
        print_json(platform.get("/log/proof/inclusion", event_id=event_id))


def _sources(found: bundles.Verified) -> list[tuple[str, int, str]]:
    return [
        (source, last, ", ".join(f"{a}-{b}" for a, b in found.gaps.get(source, [])))
        for source, last in found.sources.items()
    ]
