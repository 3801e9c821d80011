"""Requests to addresses that partners name: to the public internet alone, and to what was checked.

Where a name leads is looked up once, each address is checked, and the connection goes to an address that was
checked: a name that leads elsewhere a moment later gains nothing. Redirects are not followed.
"""

import asyncio
import socket
import ssl
from collections.abc import Mapping, Sequence
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import httpx

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
_LEADS_ON = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"), IPv6Network("2002::/16"))
"""What a gateway turns into IPv4, whatever that is (NAT64, 6to4)."""


class NotSent(Exception):
    """It did not arrive; the slug says why."""

    def __init__(self, slug: str) -> None:
        super().__init__(slug)
        self.slug = slug


def is_allowed(address: Address, networks: Sequence[Network]) -> bool:
    """Whether an address is a public one, or in one of the ``networks`` that the operator lets be reached."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if any(address in network for network in networks):
        return True
    leads_on = any(address in network for network in _LEADS_ON)
    return address.is_global and not address.is_multicast and not leads_on


async def addresses_of(host: str, port: int, networks: Sequence[Network]) -> list[Address]:
    """Where a name leads. NotSent if that is nowhere, or anywhere that is not allowed."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise NotSent("name-not-found") from None
    addresses = list(dict.fromkeys(ip_address(str(entry[4][0]).partition("%")[0]) for entry in found))
    if not addresses or not all(is_allowed(address, networks) for address in addresses):
        raise NotSent("address-not-allowed")
    return addresses


@cache
def _trust() -> ssl.SSLContext:
    return ssl.create_default_context()


async def post(
    url: str, body: bytes, headers: Mapping[str, str], *, networks: Sequence[Network], seconds: float
) -> int:
    """The status that is answered; nothing else of the answer is read. NotSent."""
    try:
        async with asyncio.timeout(seconds):
            return await _post(httpx.URL(url), body, headers, networks, seconds)
    except TimeoutError:
        raise NotSent("timeout") from None


async def _post(
    url: httpx.URL, body: bytes, headers: Mapping[str, str], networks: Sequence[Network], seconds: float
) -> int:
    port = url.port or (443 if url.scheme == "https" else 80)
    address = (await addresses_of(url.host, port, networks))[0]
    if url.scheme != "https" and not any(address in network for network in networks):
        raise NotSent("https-needed")
    named = {**headers, "Host": url.netloc.decode("ascii")}
    pinned = url.copy_with(host=str(address), port=port, username=None, password=None)
    try:
        async with (
            httpx.AsyncClient(
                verify=_trust(), timeout=seconds, trust_env=False, follow_redirects=False
            ) as client,
            client.stream(
                "POST", pinned, content=body, headers=named, extensions={"sni_hostname": url.host}
            ) as answer,
        ):
            return answer.status_code
    except httpx.TimeoutException:
        raise NotSent("timeout") from None
    except (httpx.HTTPError, OSError, ValueError):
        raise NotSent("connection-failed") from None
