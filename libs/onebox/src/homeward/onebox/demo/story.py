"""The story: a list comes in, three partners read, one consent is withdrawn, one person erased, and an
auditor checks it all."""

import csv
import time
from base64 import b64decode
from importlib.resources import files
from pathlib import Path

from homeward.client import bundle
from homeward.client.command.output import progress, stderr
from homeward.client.credentials import Credentials
from homeward.client.lists import Imported, send_list
from homeward.client.session import Session
from homeward.tlog.checkpoint import open_checkpoint
from homeward.tlog.merkle import leaf_hash, verify_inclusion
from homeward.tlog.note import VerifierKey

from . import checks
from .figures import Figures
from .partners import CONSENTS, PARTNERS, PartnerFeed
from .settling import settle

LIST = Path(str(files("homeward.onebox") / "sample" / "list-1800.csv"))


class StoryEnded(Exception):
    """It cannot be told to its end; the message says why."""


class Story:
    """Told once, against a platform whose staff credentials are in ``folder``; ``list_file`` is new to it."""

    def __init__(self, folder: Path, list_file: Path = LIST) -> None:
        self._folder = folder
        self._list = list_file
        self._operator = self._staff("operator")
        self._caseworker = self._staff("caseworker")
        self._auditor = self._staff("auditor")
        self._before: dict[str, int] = {}

    def run(self, figures: Figures) -> Figures:
        """All of it; what is not as it must be is noted in the figures."""
        partners: list[PartnerFeed] = []
        try:
            return self._tell(figures, partners)
        finally:
            sessions = [self._operator, self._caseworker, self._auditor]
            for session in (*sessions, *(partner.session for partner in partners)):
                session.close()

    def _tell(self, figures: Figures, partners: list[PartnerFeed]) -> Figures:
        self._before = self._operator.get("/v1/counts")
        _say("registering three partners")
        partners += [PartnerFeed.register(p, self._operator, self._folder) for p in PARTNERS]
        imported = self._import(figures)
        self._pull(partners, figures)
        self._withdraw(partners, imported, figures)
        self._erase(partners, imported, figures)
        for partner in partners:
            checks.the_end(figures, partner, self._operator.get(f"/v1/partners/{partner.name}"))
        self._audit(imported, figures)
        return figures

    def _import(self, figures: Figures) -> Imported:
        started = time.monotonic()
        with progress("importing the list") as report:
            imported = send_list(self._caseworker, self._list, consents=CONSENTS, progress=report)
        figures.seconds["import"] = round(time.monotonic() - started, 1)
        checks.the_import(figures, imported, len(self._rows()))
        return imported

    def _pull(self, partners: list[PartnerFeed], figures: Figures) -> None:
        _say("partners pull until caught up")
        started = time.monotonic()
        self._settle()
        figures.seconds["visible"] = round(time.monotonic() - started, 1)
        for partner in partners:
            partner.pull()
            partner.acknowledge()
        checks.the_reading(figures, self._counted(), partners)

    def _withdraw(self, partners: list[PartnerFeed], imported: Imported, figures: Figures) -> None:
        _say("one family withdraws its consent")
        person, subjects = self._somebody_all_see(partners, imported, after=0)
        withdrawn = self._caseworker.post("/v1/consents/withdrawals", {"person_id": person})
        figures.check(bool(withdrawn["consents"]), "there was no consent to withdraw")
        for partner in partners:
            subject = subjects[partner.name]
            told, served = partner.pull(), partner.served_about(subject)
            checks.the_withdrawal(figures, partner.name, subject, told, served)
            partner.acknowledge()

    def _erase(self, partners: list[PartnerFeed], imported: Imported, figures: Figures) -> None:
        _say("one person is erased")
        person, subjects = self._somebody_all_see(partners, imported, after=imported.rows // 2)
        self._operator.post(f"/v1/persons/{person}/erase", {"reporters": False})
        self._settle()
        for partner in partners:
            subject = subjects[partner.name]
            told, served = partner.pull(), partner.served_about(subject)
            checks.the_erasure(figures, partner.name, subject, told, served)
            partner.acknowledge()
        figures.erased = self._counted()["erased"]
        figures.check(figures.erased == 1, "the person is not erased")

    def _audit(self, imported: Imported, figures: Figures) -> None:
        _say("an auditor verifies the log offline")
        self._settle()
        vkey = self._auditor.public("/log/vkey").decode().strip()
        file = self._folder / "log.zip"
        with progress("fetching the log") as report:
            bundle.fetch(self._auditor, file, report)
        found: bundle.Verified | ValueError
        try:
            found = bundle.verify(file, vkey)
        except ValueError as error:
            found = error
        receipt = next(r for r in imported.results if r["outcome"] == "accepted")
        checks.the_log(figures, found, self._proven(receipt["event_id"], vkey))

    def _proven(self, event_id: str, vkey: str) -> bool:
        proof = self._auditor.get("/log/proof/inclusion", event_id=event_id)
        checkpoint, _ = open_checkpoint(proof["checkpoint"].encode(), VerifierKey.parse(vkey))
        path = [b64decode(node) for node in proof["proof"]]
        leaf = leaf_hash(b64decode(proof["leaf"]))
        try:
            verify_inclusion(leaf, proof["index"], checkpoint.size, path, checkpoint.root)
        except ValueError:
            return False
        return True

    def _somebody_all_see(
        self, partners: list[PartnerFeed], imported: Imported, after: int
    ) -> tuple[str, dict[str, str]]:
        """A person all partners were given something of: the id, and each partner's own id for it."""
        rows = self._rows()
        for result in imported.results[after:]:
            cells = rows[result["row"] - 1]
            if result["outcome"] != "accepted" or cells["citizenship"] != "CHN":
                continue
            person = self._person(result["report_id"])
            subjects = {p.name: s for p in partners if (s := self._subject(p, result["event_id"]))}
            if len(subjects) == len(partners):
                return person, subjects
        raise StoryEnded("there is nobody on the list of whom every partner was given something")

    def _person(self, report_id: str) -> str:
        found = self._operator.get("/v1/persons", report_id=report_id)["persons"]
        person: str = found[0]["person_id"]
        return person

    def _subject(self, partner: PartnerFeed, event_id: str) -> str | None:
        decided = self._auditor.get(f"/v1/decisions/{event_id}", agency=partner.name)
        live = {r["sequence"] for r in decided["releases"] if r["state"] == "live"}
        return next((e["subject"] for e in partner.events if int(e["sequence"]) in live), None)

    def _settle(self) -> None:
        try:
            settle(self._operator, self._auditor)
        except TimeoutError as error:
            raise StoryEnded(str(error)) from error

    def _counted(self) -> dict[str, int]:
        """What there is more of than before."""
        now = self._operator.get("/v1/counts")
        return {name: now[name] - self._before[name] for name in ("reports", "persons", "erased")}

    def _rows(self) -> list[dict[str, str]]:
        with self._list.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def _staff(self, role: str) -> Session:
        return Session(Credentials.read(self._folder / "credentials" / f"{role}.json"))


def _say(what: str) -> None:
    stderr.print(f"[dim]· {what}[/]")
