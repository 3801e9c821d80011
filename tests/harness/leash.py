"""Runs one command, and ends it when whoever holds our standard input lets go of it or dies.

    leash.py SIGNAL USER FOLDER COMMAND...

Each line read is the number of a signal to pass on. At the end of input the command gets SIGNAL, SIGKILL
should it linger, and FOLDER is removed: so a killed pytest leaves neither a server nor its data behind.
USER is the account to run as, or empty for our own.

A pipe, because PR_SET_PDEATHSIG fires when the *thread* that started the command ends: a server restarted
from `asyncio.to_thread` would die with the thread pool. Here the main thread starts the command and only
waits for it, so that signal can cover our own death.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
import threading

PR_SET_PDEATHSIG = 1
GRACE = 15.0


def die_with_leash() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def start(user: str, folder: str, command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        cwd=folder,
        preexec_fn=die_with_leash,
        user=user or None,
        group=pwd.getpwnam(user).pw_gid if user else None,
        extra_groups=[] if user else None,
    )


def obey(process: subprocess.Popen[bytes], last_signal: int, let_go: threading.Event) -> None:
    # Unbuffered: a buffered reader's lock, held by this thread, would abort the interpreter's exit.
    with open(0, "rb", buffering=0) as orders:
        for order in orders:
            process.send_signal(int(order))
    let_go.set()
    process.send_signal(last_signal)
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()


def main() -> int:
    last_signal, user, folder, *command = sys.argv[1:]
    process = start(user, folder, command)
    let_go = threading.Event()
    threading.Thread(target=obey, args=(process, int(last_signal), let_go), daemon=True).start()
    code = process.wait()
    if let_go.is_set():
        shutil.rmtree(folder, ignore_errors=True)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    os._exit(main())
