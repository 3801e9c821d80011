"""``homeward consent`` and ``homeward subject``: what people decide about their data."""

from typing import Annotated

import typer

from .output import As, AsJson, counted, print_json, print_rows, say, session

consents = typer.Typer(no_args_is_help=True, help="Consents, per purpose, recipient and field class.")
subjects = typer.Typer(no_args_is_help=True, help="Rights of the people concerned.")
Person = Annotated[str, typer.Option("--person", help="The person's id.")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(consents, name="consent")
    app.add_typer(subjects, name="subject")


@consents.command()
def grant(
    person: Person,
    recipient: Annotated[str, typer.Option(help="The partner's id.")],
    purpose: Annotated[str, typer.Option(help="search, identification or assistance.")],
    field_class: Annotated[list[str], typer.Option("--class", help="A field class; repeat.")],
    given_by: Annotated[str, typer.Option(help="self, guardian or none_unreachable.")] = "self",
    expires_at: Annotated[str | None, typer.Option(help="ISO 8601, with a zone.")] = None,
    credentials: As = None,
    as_json: AsJson = False,
) -> None:
    """Register a consent."""
    body = {
        "person_id": person, "recipient": recipient, "purpose": purpose, "classes": field_class,
        "given_by": given_by, "expires_at": expires_at,
    }  # fmt: skip
    with session(credentials) as platform:
        consent = platform.post("/v1/consents", body)
    if as_json:
        return print_json(consent)
    return say(f"Consent {consent['consent_id']} is registered and in force.")


@consents.command()
def withdraw(
    person: Person,
    recipient: Annotated[str | None, typer.Option(help="Only for this partner.")] = None,
    purpose: Annotated[str | None, typer.Option(help="Only for this purpose.")] = None,
    consent: Annotated[str | None, typer.Option(help="Only this consent, by id.")] = None,
    credentials: As = None,
    as_json: AsJson = False,
) -> None:
    """Withdraw consents: from now on nobody is served what rested on them, and recipients are told."""
    body = {"person_id": person, "recipient": recipient, "purpose": purpose, "consent_id": consent}
    with session(credentials) as platform:
        answer = platform.post("/v1/consents/withdrawals", body)
    if as_json:
        print_json(answer)
    else:
        say(f"{counted(len(answer['consents']), 'consent', 'consents')} withdrawn.")
    raise typer.Exit(0 if answer["consents"] else 1)


@consents.command("list")
def list_consents(person: Person, credentials: As = None, as_json: AsJson = False) -> None:
    """All consents ever given for a person."""
    with session(credentials) as platform:
        answer = platform.get("/v1/consents", person_id=person)
    if as_json:
        return print_json(answer)
    return print_rows(
        ("consent", "recipient", "purpose", "classes", "given by", "withdrawn"),
        [
            (c["consent_id"], c["recipient"], c["purpose"], ", ".join(c["classes"]), c["given_by"],
             c.get("withdrawn_at"))
            for c in answer["consents"]
        ],
        none="No consent was ever given for this person.",
    )  # fmt: skip


@subjects.command()
def erase(
    person: Annotated[str, typer.Argument(help="The person's id.")],
    reporters: Annotated[bool, typer.Option(help="At their wish: what tells who reported, too.")] = False,
    credentials: As = None,
    as_json: AsJson = False,
) -> None:
    """Destroy a person's keys: nothing about them can be read again, anywhere. Cannot be undone."""
    with session(credentials) as platform:
        answer = platform.post(f"/v1/persons/{person}/erase", {"reporters": reporters})
    if as_json:
        return print_json(answer)
    return say(f"Erased at {answer['erased_at']}. All who were given anything are told.")
