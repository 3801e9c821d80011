"""``python -m homeward.audit.configure FILE``: a fresh signing key for a log.

A key that is there is kept: a log cannot go on under another one.
"""

import os
import sys
from pathlib import Path


def write_log_key(path: Path) -> bool:
    """Create ``path`` (mode 0600) with 32 random bytes in hexadecimal; False if it is there already."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w") as file:
        file.write(os.urandom(32).hex() + "\n")
    return True


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m homeward.audit.configure FILE")
    write_log_key(Path(sys.argv[1]))
