"""The issuer's keys: the one that signs and, while it is being changed, the next and the one of before.

``python -m homeward.exchange.issuer_keys DIR`` takes the next step of changing it, in the folder of the
secrets. The files are then given to exchange, and exchange is restarted, one process after another:
tokens hold all the time, since every process publishes a key before any signs with it, and goes on
publishing one until the last token it signed has ended.
"""

import json
import sys
from pathlib import Path

from joserfc.jwk import OKPKey

from homeward.common import jose
from homeward.common.secret_files import SecretUnusable, sync_folder, write_secret


def read_issuer_keys(path: Path) -> tuple[OKPKey, ...]:
    """The key that signs, of ``path``, then the others, of which the public halves are published.
    SecretUnusable."""
    others = [jose.read_key(beside) for beside in (_next(path), _retiring(path)) if beside.exists()]
    return (jose.read_key(path), *others)


def take_step(path: Path) -> str:
    """Bring the change of the key in ``path`` one step further; what is to be done then, in a sentence.
    Where a crash ended it, the same step again finishes it. SecretUnusable, OSError."""
    following, retiring = _next(path), _retiring(path)
    current = jose.read_key(path)
    if following.exists():
        to_come = jose.read_key(following)
        if to_come.kid != current.kid:
            write_secret(retiring, path.read_text(), replace=True)
        following.replace(path)
        sync_folder(path.parent)
        return (
            "The next key signs from now on. Give issuer.jwk and issuer.jwk.retiring to exchange, no "
            "issuer.jwk.next, and restart it. Ten minutes later, take the last step."
        )
    if retiring.exists():
        retiring.unlink()
        sync_folder(path.parent)
        return "The former key is gone. Give exchange no issuer.jwk.retiring any more, and restart it."
    write_secret(following, json.dumps(jose.new_key().as_dict(private=True)))
    return (
        "There is a next key. Give issuer.jwk.next to exchange beside issuer.jwk and restart it. When all "
        "its processes are new, and half a minute later, take the next step."
    )


def _next(path: Path) -> Path:
    return path.with_name(f"{path.name}.next")


def _retiring(path: Path) -> Path:
    return path.with_name(f"{path.name}.retiring")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m homeward.exchange.issuer_keys DIR")
    try:
        sys.stdout.write(take_step(Path(sys.argv[1]) / "issuer.jwk") + "\n")
    except (SecretUnusable, OSError) as error:
        sys.exit(f"homeward exchange: {error}")
