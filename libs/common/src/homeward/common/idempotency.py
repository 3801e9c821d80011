"""A POST with an Idempotency-Key is done once; the same key again gets the same answer.

draft-ietf-httpapi-idempotency-key-header: another body under a used key is 422. The body is kept
only as a keyed hash (a plain one could be guessed after an erasure), the answer encrypted: it can hold
receipt codes, by which anybody could ask about a report.
"""

import hmac
import os
from collections.abc import Awaitable, Callable
from typing import Annotated

import sqlalchemy as sa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from fastapi import Header, Request
from fastapi.responses import Response
from pydantic import BaseModel
from starlette.datastructures import UploadFile

from .keys import LOOKUP, Erased, expand
from .problems import Problem
from .tables import idempotency
from .tx import Tx

IdempotencyKey = Annotated[
    str | None, Header(alias="Idempotency-Key", min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")
]


async def answer_once(
    tx: Tx,
    request: Request,
    key: str | None,
    work: Callable[[], Awaitable[BaseModel]],
    *,
    status: int = 201,
) -> Response:
    """What ``work`` answers, or answered when this client used ``key`` before."""
    if key is None:
        return _json(status, (await work()).model_dump_json(exclude_none=True).encode())
    await tx.db.execute(
        sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 1))"), {"name": f"{tx.actor} {key}"}
    )
    secret = await lookup_key(tx)
    fingerprint = hmac.digest(secret, await _said(request), "sha256")
    cipher, where = AESGCM(expand(secret, "idempotency answer")), f"{tx.actor} {key}".encode()
    found = (
        await tx.db.execute(
            sa.select(idempotency).where(idempotency.c.client == tx.actor, idempotency.c.key == key)
        )
    ).first()
    if found is not None:
        if not hmac.compare_digest(found.fingerprint, fingerprint):
            raise Problem(422, "idempotency-key-reused", "This Idempotency-Key was used for another request.")
        return _json(found.status, cipher.decrypt(found.body[:12], found.body[12:], where))
    body = (await work()).model_dump_json(exclude_none=True).encode()
    nonce = os.urandom(12)
    await tx.db.execute(
        sa.insert(idempotency).values(
            client=tx.actor,
            key=key,
            fingerprint=fingerprint,
            status=status,
            body=nonce + cipher.encrypt(nonce, body, where),
            at=tx.now,
        )
    )
    return _json(status, body)


async def lookup_key(tx: Tx) -> bytes:
    """The service's key for look-up hashes."""
    subject = f"service:{tx.service}"
    keys = (await tx.keys([subject], create=True))[subject]
    if isinstance(keys, Erased):
        raise RuntimeError("a service's own keys are never erased")
    return keys[LOOKUP]


async def _said(request: Request) -> bytes:
    """What a request asks for, as bytes that no other request has."""
    parts = [request.method.encode(), request.url.path.encode(), request.url.query.encode()]
    if request.headers.get("content-type", "").startswith("multipart/"):
        # The boundary differs between retries of the same upload, so compare the parts.
        form = await request.form()
        for name, part in sorted(form.multi_items(), key=lambda item: item[0]):
            parts += [name.encode(), part.encode() if isinstance(part, str) else await _content(part)]
    else:
        parts.append(await request.body())
    return b"".join(len(part).to_bytes(8) + part for part in parts)


async def _content(upload: UploadFile) -> bytes:
    await upload.seek(0)
    content = await upload.read()
    await upload.seek(0)
    return content


def _json(status: int, body: bytes) -> Response:
    return Response(body, status, media_type="application/json")
