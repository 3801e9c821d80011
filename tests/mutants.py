"""Whether the tests notice a broken backbone: `python tests/mutants.py [NAME …] [--platform]`.

Each mutant is the runtime with one of its rules broken. The tests run against it, the runtime's own
first, then the kills on the whole platform (`--platform`: those alone), and one of them has to fail.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
RUNTIME = ROOT / "libs" / "common" / "src"
BUILD = ROOT / "build" / "mutants"
LIMIT = 900
OWN_TESTS = [
    f"libs/common/tests/{name}.py"
    for name in ("test_outbox", "test_relay", "test_consumer", "test_consumer_waits", "test_broker_away")
]
PLATFORM_TESTS = ["tests/integration/test_kill.py", "tests/integration/test_outages.py"]


@dataclass(frozen=True)
class Mutant:
    """A rule of the runtime broken: in ``file``, each text by another."""

    name: str
    file: str
    texts: tuple[tuple[str, str], ...]

    def make(self) -> Path:
        """The broken runtime; a SystemExit if the runtime no longer has what was to be broken."""
        copy = BUILD / self.name
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(RUNTIME, copy, ignore=shutil.ignore_patterns("__pycache__"))
        file = copy / "homeward" / "common" / self.file
        text = file.read_text()
        for whole, broken in self.texts:
            if text.count(whole) != 1:
                raise SystemExit(f"mutant {self.name}: {self.file} has changed; write the mutant anew")
            text = text.replace(whole, broken)
        file.write_text(text)
        return copy


MUTANTS = [
    Mutant(
        "no-inbox",
        "inbox.py",
        (("    return set(claimed.scalars())\n", "    return set(event_ids)\n"),),
    ),
    Mutant(
        "outbox-outside-the-transaction",
        "tx.py",
        (
            (
                "        await copy_in(self.db, outbox, rows)\n",
                "        async with self.db.engine.begin() as apart:\n"
                "            await copy_in(apart, outbox, rows)\n",
            ),
        ),
    ),
    Mutant(
        "watermark-before-the-send",
        "relay.py",
        (
            (
                "        await self._broker.publish([record_of(row, self._name) for row in rows])\n"
                "        self._sent = (rows[-1].epoch, rows[-1].sequence)\n",
                "        self._sent = (rows[-1].epoch, rows[-1].sequence)\n"
                "        async with self._engine.begin() as db:\n"
                "            moved = f'UPDATE relay_state SET published = {self._sent[1]}'\n"
                "            await db.execute(sa.text(moved))\n"
                "        await self._broker.publish([record_of(row, self._name) for row in rows])\n",
            ),
        ),
    ),
    Mutant(
        "offsets-before-the-database",  # the broker's account and the database's own
        "consumer.py",
        (
            (
                "            with BATCH_SECONDS.labels(self._service.name).time():\n",
                "            await offsets.commit(records)\n"
                "            async with self._parts.engine.begin() as db:\n"
                "                await inbox.claim(db, self._service.name, (), records)\n"
                "            with BATCH_SECONDS.labels(self._service.name).time():\n",
            ),
        ),
    ),
]


def main() -> int:
    """Exit code 1 if a mutant lives."""
    parser = argparse.ArgumentParser(description="Whether the tests notice a broken backbone")
    parser.add_argument("names", nargs="*", metavar="NAME", help="these mutants only")
    parser.add_argument("--platform", action="store_true", help="only the tests of the whole platform")
    chosen = parser.parse_args()
    suites = [PLATFORM_TESTS] if chosen.platform else [OWN_TESTS, PLATFORM_TESTS]
    mutants = [mutant for mutant in MUTANTS if not chosen.names or mutant.name in chosen.names]
    lived = [mutant.name for mutant in mutants if not any(caught(mutant, tests) for tests in suites)]
    print(f"{len(mutants) - len(lived)} of {len(mutants)} noticed" + "".join(f"; {n} lives" for n in lived))
    return 1 if lived else 0


def caught(mutant: Mutant, tests: list[str]) -> bool:
    """Whether a test fails on it."""
    path = os.pathsep.join([str(mutant.make()), os.environ.get("PYTHONPATH", "")])
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "--tb=no", *tests],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    seconds = time.monotonic() - started
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    if done.returncode not in {0, 1} or (done.returncode and failed is None):
        raise SystemExit(
            f"mutant {mutant.name}: the tests did not run\n{done.stdout[-2_000:]}{done.stderr[-2_000:]}"
        )
    print(
        f"{mutant.name}: " + (f"noticed by {failed[1]}" if failed else "not noticed") + f" ({seconds:.0f} s)"
    )
    return failed is not None


if __name__ == "__main__":
    sys.exit(main())
