"""The committed documents of what others meet: OpenAPI 3.1 over HTTP, AsyncAPI 3 on the topics.

``python -m homeward.onebox.interfaces check DIR`` fails when they are not what the code gives;
``write DIR`` writes them.
"""

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from homeward.common import asyncapi, http

from .edition import create_services
from .gateway import merged_openapi
from .secrets import write_secrets

_NOWHERE = "postgresql+asyncpg://nobody@127.0.0.1:9/{}"


def documents() -> dict[str, dict[str, Any]]:
    """By file name."""
    with TemporaryDirectory() as folder:
        secrets = write_secrets(Path(folder), "http://homeward.test")
        services = create_services(secrets, "http://homeward.test", _NOWHERE.format)
    faces = {service.name: http.create_app(service).openapi() for service in services}
    return {"openapi.json": merged_openapi(faces), "asyncapi.json": asyncapi.document()}


def main(arguments: list[str]) -> int:
    """0 when all is well, 1 with a line for each document that is not, 2 for bad usage."""
    if len(arguments) != 2 or arguments[0] not in {"check", "write"}:
        sys.stderr.write("usage: python -m homeward.onebox.interfaces check|write DIR\n")
        return 2
    action, folder = arguments[0], Path(arguments[1])
    stale = False
    for name, document in documents().items():
        path, text = folder / name, json.dumps(document, indent=1, ensure_ascii=False) + "\n"
        if action == "write":
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            sys.stderr.write(
                f"{path} is not up to date: python -m homeward.onebox.interfaces write {folder}\n"
            )
            stale = True
    return int(stale)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
