"""Who is asking: the access token of a request, and the proof that it is in the right hands."""

from typing import Annotated, Any, NoReturn

from fastapi import Depends, Request, Security
from fastapi.openapi.models import OAuth2, OAuthFlowClientCredentials, OAuthFlows
from fastapi.security.base import SecurityBase

from . import dpop, jose
from .arrivals import Arrivals, Quota
from .problems import Problem
from .tokens import Actor, Binding, IssuerUnreachable, Suspended, TokenVerifier

__all__ = ["Actor", "authenticated", "require"]

_ALGS = f'algs="{" ".join(dpop.ALGORITHMS)}"'
EITHER = f"DPoP {_ALGS}, Bearer"
"""How a token may be sent: as the issuer's answer says that it is to be."""


async def authenticated(request: Request) -> Actor:
    """The actor of a request; 401 without a good token and, where it is bound to a key, a good proof; 403
    while its organisation is suspended; 429 for a partner who has asked enough this minute; 503 when the
    issuer cannot be reached."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() not in {"bearer", "dpop"} or not token:
        raise Problem(401, "token-missing", "This request needs an access token.", authenticate=EITHER)
    verifier: TokenVerifier = request.app.state.parts.verifier
    try:
        actor = await verifier.verify(token)
    except jose.TokenRefused as error:
        _refuse(scheme, str(error))
    except Suspended:
        raise Problem(403, "partner-suspended", "This organisation is not an active partner.") from None
    except IssuerUnreachable:
        raise Problem(
            503, "issuer-unreachable", "Tokens cannot be checked at the moment.", retry_after=5
        ) from None
    if (scheme.lower() == "dpop") is (actor.binding is None):
        _refuse(scheme, "bound_token" if actor.binding else "unbound_token")
    proof = _proof(request, token, actor.binding) if actor.binding is not None else None
    await _arrive(request, actor, proof)
    return actor


def _proof(request: Request, token: str, binding: Binding) -> dpop.Proof:
    """The proof for this very request by the key that the token is bound to; 401 without."""
    parts = request.app.state.parts
    asked = dpop.Asked(request.method, parts.settings.public_url + request.scope["path"], token)
    sent, now = request.headers.getlist("dpop"), parts.clock().timestamp()
    try:
        proof = dpop.read_proof(sent, asked, nonces=binding.nonces, now=now)
        if proof.jkt != binding.jkt:
            raise dpop.ProofRefused("made by another key")
    except dpop.ProofRefused as error:
        raise _unproven(error, binding) from None
    if binding.nonces and proof.nonce != binding.nonces[0]:
        add_header(request, "DPoP-Nonce", binding.nonces[0])
    return proof


async def _arrive(request: Request, actor: Actor, proof: dpop.Proof | None) -> None:
    """401 for a proof that was used before, or a token whose key is known here to be revoked; 429 for a
    partner who has asked enough this minute."""
    parts = request.app.state.parts
    arrivals: Arrivals = parts.arrivals
    limit: int = parts.settings.partner_requests_per_minute
    counted = limit > 0 and actor.role == "partner"
    now = parts.clock()
    arrived = await arrivals.note(actor.client_id, actor.key, proof, counted=counted, now=now)
    if arrived.revoked:
        _refuse("DPoP" if proof else "Bearer", "revoked_key")
    if not arrived.fresh and actor.binding is not None:
        raise _unproven(dpop.ProofRefused("used before"), actor.binding)
    if not counted:
        return
    quota = Quota(limit, arrived.used, now.timestamp())
    for name, value in quota.headers().items():
        add_header(request, name, value)
    if quota.used > quota.limit:
        detail = f"This partner has made {limit} requests this minute."
        raise Problem(429, "quota-exceeded", detail, retry_after=quota.resets_in)


def _unproven(error: dpop.ProofRefused, binding: Binding) -> Problem:
    wanted = isinstance(error, dpop.NonceWanted)
    code = "use_dpop_nonce" if wanted else "invalid_dpop_proof"
    problem = Problem(
        401,
        "nonce-wanted" if wanted else "proof-refused",
        f"The proof of possession (DPoP) was refused: {error}.",
        authenticate=f'DPoP error="{code}", error_description="{error}", {_ALGS}',
    )
    if binding.nonces:
        problem.headers["DPoP-Nonce"] = binding.nonces[0]
    return problem


def add_header(request: Request, name: str, value: str) -> None:
    """Have the answer to ``request`` carry a header, whatever the answer will be."""
    request.scope[ADDED_HEADERS].append((name.lower().encode(), value.encode()))


ADDED_HEADERS = "homeward.headers"
"""Where in the scope they wait for :class:`.http.Measured`."""


def _refuse(scheme: str, why: str) -> NoReturn:
    scheme = "DPoP" if scheme.lower() == "dpop" or why == "bound_token" else "Bearer"
    more = f", {_ALGS}" if scheme == "DPoP" else ""
    raise Problem(
        401,
        "token-refused",
        f"The access token was refused: {why}.",
        authenticate=f'{scheme} error="invalid_token", error_description="{why}"{more}',
    ) from None


class _AccessToken(SecurityBase):
    """How the OpenAPI document names what is asked for; checking it is :func:`authenticated`'s."""

    def __init__(self) -> None:
        flow = OAuthFlowClientCredentials(tokenUrl="/oauth/token")
        self.model = OAuth2(
            flows=OAuthFlows(clientCredentials=flow), description="RFC 9068, bound by DPoP (RFC 9449)."
        )
        self.scheme_name = "accessToken"

    async def __call__(self) -> None:
        """Nothing."""


ACCESS_TOKEN = _AccessToken()


def require(scope: str) -> Any:
    """A dependency: the actor, if its token carries ``scope``; else 403."""

    async def allowed(
        actor: Annotated[Actor, Depends(authenticated)],
        _documented: Annotated[None, Security(ACCESS_TOKEN, scopes=[scope])],
    ) -> Actor:
        if scope not in actor.scopes:
            raise Problem(403, "scope-missing", f"This needs the scope {scope}.")
        return actor

    return Depends(allowed)
