"""Markers in every personal field, handed in by every way there is: none is found anywhere it should not
be, whatever went wrong on the way; and of somebody who was erased nothing can be read from any copy."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import planting
from harness.canary import Report, found_in
from harness.intruder import Intruder, spellings
from harness.places_to_look import everything, on_topics
from harness.planting import Stage
from harness.platform import ROLES, Platform
from harness.postgres_embedded import EmbeddedPostgres
from homeward.common.contracts import FieldClass
from homeward.common.envelope import Envelope
from homeward.common.sealing import Sealed
from homeward.keyring.domain import class_keys
from homeward.onebox.demo.partners import RETRACTED


@pytest.fixture(scope="module")
def stage(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Everything handed in, the platform at rest again."""
    stage = Stage(platform)
    try:
        planting.hand_in_a_list(stage, tmp_path_factory.mktemp("list"))
        planting.hand_in_by_post(stage)
        planting.hand_in_what_is_refused(stage)
        planting.ask_for_what_is_not_there(stage)
        stage.settle()
        planting.say_of(stage, stage.person_of(stage.planted.reports[0]))
        planting.poison(stage)
        stage.settle()
        yield stage
    finally:
        stage.close()


def test_no_marker_is_left_anywhere_in_the_clear(stage: Stage) -> None:
    markers = stage.planted.markers()
    assert len(markers) > 4_000
    places = set()
    for place, content in everything(stage.platform):
        assert not found_in(content, markers), f"a marker in {place}"
        places.add(place.split(" ")[0])
    assert {"logs", "spans", "metrics", "homeward.intake.v1", "audit.tiles", "keyring.outbox"} <= places
    assert stage.platform.traces.services == {f"homeward-{name}" for name in ROLES}
    assert "POST /v1/reports/import" in stage.platform.traces.spans


def test_no_answer_says_again_what_was_said(stage: Stage) -> None:
    markers = stage.planted.markers()
    refused = [answer for answer in stage.planted.answers if "/problems/" in answer]
    assert len(refused) > 40
    for answer in stage.planted.answers:
        assert not found_in(answer.encode(), markers), "an answer echoes a value"


def test_a_feed_has_only_what_the_partner_is_entitled_to(stage: Stage) -> None:
    before = {name: stage.feed_bytes(name) for name in stage.partners}
    withdrawn = stage.planted.reports[4]
    person_id = stage.person_of(withdrawn)
    stage.staff["caseworker"].post("/v1/consents/withdrawals", {"person_id": person_id})
    markers = stage.planted.markers()
    for name in ("ngo", "police"):
        after = stage.feed_bytes(name)
        assert RETRACTED.encode() in after
        assert found_in(before[name], withdrawn.markers())
        assert not found_in(after, withdrawn.markers()), "what is retracted is not served"
        classes = {c for one in found_in(before[name] + after, markers) for c in markers[one]}
        assert classes == stage.entitled(name) & stage.marked_classes()
    assert stage.entitled("ngo") != stage.entitled("police")
    assert not found_in(before["stranger"], markers)


class Somebody:
    """One who was reported, as far as a thief of copies is concerned."""

    def __init__(self, stage: Stage, report: Report) -> None:
        self.report, self.person_id = report, stage.person_of(report)
        person = stage.staff["operator"].get(f"/v1/persons/{self.person_id}")
        about = {self.person_id, *person["report_ids"]}
        records = asyncio.run(on_topics(stage.platform.kafka.bootstrap))
        sealed = [(Envelope.of(record), record.value) for record in records]
        self.values = [Sealed(envelope.id, value) for envelope, value in sealed if envelope.subject in about]
        self.subjects = {s for value in self.values for s in value.subjects if ":" not in s}


def copies(postgres: EmbeddedPostgres, folder: Path) -> dict[str, Path]:
    """The write-ahead log, a base backup, and a dump of every database."""
    made = {f"{folder.name} {kind}": folder / kind for kind in ("write-ahead log", "base backup", "dump")}
    log, backup, dump = made.values()
    shutil.copytree(postgres.data / "pg_wal", log)
    dump.mkdir()
    postgres.base_backup(backup)
    for name in ROLES:
        postgres.dump(f"platform_{name}", dump / f"{name}.sql")
    return made


def test_of_who_is_erased_nothing_can_be_read_from_any_copy_with_all_keys_that_are_left(
    stage: Stage, tmp_path: Path
) -> None:
    postgres = stage.platform.postgres
    if not isinstance(postgres, EmbeddedPostgres):
        pytest.skip("only the embedded server is sure to share our file system")
    # The secrets, and the logs of all processes.
    secrets, operator = stage.platform.folder, stage.staff["operator"]
    gone, stays = (Somebody(stage, stage.planted.reports[n]) for n in (0, 2))
    reason = next(m for m, classes in stage.planted.other.items() if classes == {FieldClass.ASSESSMENT})
    said, others = {*gone.report.markers(), reason}, set(stays.report.markers())
    kek = bytes.fromhex((secrets / "secrets" / "kek").read_text())

    old = copies(postgres, tmp_path / "old")
    thief = Intruder(gone.subjects, gone.values)
    for place, path in old.items():
        loot = thief.look(path, secrets)
        assert loot.data_keys().keys() == gone.subjects, place
        assert found_in(loot.read(), said) == said, "with the key everything is in the copy"
    data_keys = [*loot.data_keys().values()]

    operator.post(f"/v1/persons/{gone.person_id}/erase", {"reporters": True})
    loot = thief.look(*old.values(), secrets)
    assert found_in(loot.read(), said) == said, "erasing alone does nothing to copies made before"

    assert "was destroyed at" in stage.platform.job("keyring", "rotate")
    operator.post("/v1/matching-index/rebuild")
    stage.settle()
    postgres.restart()  # an orderly one writes unlogged tables to their files
    for role in stage.platform.roles:
        stage.platform.wait_ready(role)
    new = copies(postgres, tmp_path / "new")
    live = {"data folder": postgres.data}
    texts = [*(marker.encode() for marker in said)]
    texts += [text for key in (kek, *data_keys) for text in spellings(key)]
    texts += [key for one in data_keys for key in class_keys(one, [*FieldClass]).values()]
    thief = Intruder(gone.subjects | stays.subjects, [*gone.values, *stays.values], texts)
    for place, path in {**old, **new, **live}.items():
        loot = thief.look(path, secrets)
        assert loot.places == set(), place
        assert not loot.data_keys().keys() & gone.subjects, place
        if place in old or place in live:
            assert gone.subjects <= {subject for subject, _, _ in loot.wrapped}, "there, and of no use"
        readable = found_in(loot.read(), said | others)
        if place in old:
            assert readable == set(), "nor of anybody else: what is old is of no use"
        else:
            assert readable == others or place == "new write-ahead log", place
    person = operator.get(f"/v1/persons/{gone.person_id}")
    assert person["erased_at"] < person["backups_unreadable_since"]
