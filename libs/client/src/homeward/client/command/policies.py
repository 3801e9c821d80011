"""``homeward policy``: which policies decide, what others would change, and to have others decide."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from ..session import Session
from .output import (
    As,
    AsJson,
    Report,
    Unusable,
    counted,
    print_json,
    print_rows,
    progress,
    readable,
    say,
    session,
    writable,
)

commands = typer.Typer(no_args_is_help=True, help="The policies that decide what partners see.")
Files = Annotated[list[Path], typer.Argument(help="Cedar files: all of the set.", metavar="FILES…")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(commands, name="policy")


@commands.command()
def show(
    out: Annotated[Path | None, typer.Option(help="Write the policies' files into this folder.")] = None,
    credentials: As = None,
    as_json: AsJson = False,
) -> None:
    """The policies that decide, and how far deciding again by them has got."""
    with session(credentials) as platform:
        active = platform.get("/v1/policies")
    if out:
        _write(out, active["texts"])
    _show(active, as_json)


@commands.command()
def check(files: Files, credentials: As = None, as_json: AsJson = False) -> None:
    """What a set of policies would newly reveal or withdraw, per partner and class, if it were activated."""
    texts = _texts(files)
    with session(credentials) as platform, progress("comparing") as report:
        found = _compare(platform, texts, report)
    if as_json:
        return print_json(found)
    for what in ("added", "removed", "changed"):
        for policy in found[what]:
            say(f"{what}: {policy['effect']} {policy['id']}: {policy['reason']}")
    print_rows(
        ("partner", "class", "events revealed", "events withdrawn"),
        [(e["agency"], e["field_class"], e["revealed"], e["withdrawn"]) for e in found["effects"]],
        none="It changes nothing of what anybody sees.",
    )
    return say(
        f"Compared for {counted(found['persons'], 'person', 'persons')} with {found['active_digest']}; "
        f"to be sure that nothing else is replaced: --replaces {found['active_digest']}"
    )


@commands.command()
def activate(
    files: Files,
    reason: Annotated[str, typer.Option(help="Why; it is audited.")],
    replaces: Annotated[
        str | None, typer.Option(help="Only in place of this set, as `homeward policy check` named it.")
    ] = None,
    credentials: As = None,
    as_json: AsJson = False,
) -> None:
    """Have a set of policies decide from now on. Nothing of it is used if anything is wrong with it."""
    body = {"texts": _texts(files), "reason": reason}
    body |= {"replaces": replaces} if replaces else {}
    with session(credentials) as platform:
        _show(platform.post("/v1/policies", body), as_json)


def _compare(platform: Session, texts: dict[str, str], report: Report) -> dict[str, Any]:
    """The answers about some persons each, put together; begun anew if other policies are activated
    meanwhile."""
    revealed: Counter[tuple[str, str]] = Counter()
    withdrawn: Counter[tuple[str, str]] = Counter()
    persons, after, first = 0, None, None
    while True:
        answer = platform.post("/v1/policies/check", {"texts": texts, "after": after})
        first = first or answer
        if answer["active_digest"] != first["active_digest"]:
            return _compare(platform, texts, report)
        for effect in answer["effects"]:
            place = effect["agency"], effect["field_class"]
            revealed[place] += effect["revealed"]
            withdrawn[place] += effect["withdrawn"]
        persons, after = persons + answer["persons"], answer["next"]
        report(persons, answer["all_persons"])
        if after is None:
            break
    effects = [
        {"agency": a, "field_class": c, "revealed": revealed[a, c], "withdrawn": withdrawn[a, c]}
        for a, c in sorted(revealed)
    ]
    told = {name: first[name] for name in ("digest", "active_digest", "added", "removed", "changed")}
    return {**told, "effects": effects, "persons": persons}


def _show(active: dict[str, Any], as_json: bool) -> None:
    if as_json:
        return print_json(active)
    print_rows(
        ("policy", "effect", "reason"),
        [(p["id"], p["effect"], p["reason"]) for p in active["policies"]],
        none="There is no policy: nobody sees anything.",
    )
    why = f" by {active['activated_by']}: {active['reason']}" if active["origin"] == "operator" else ""
    say(f"{active['digest']} decides since {active['activated_at']}{why}")
    for sweep in active["redeciding"]:
        done = f"{sweep['persons_decided']} of {counted(sweep['persons'], 'person', 'persons')}"
        say(f"Being decided again ({sweep['reason']}): {done}. Reads obey already.")
    return None


def _texts(files: list[Path]) -> dict[str, str]:
    texts = {file.name: readable(file) for file in files}
    if len(texts) < len(files):
        raise Unusable("Two of the files have the same name.")
    return texts


def _write(folder: Path, texts: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        writable(folder / Path(name).name).write_text(text, encoding="utf-8")
