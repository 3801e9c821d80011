"""Where messages to partners may go, and that they go nowhere else."""

from collections.abc import AsyncIterator
from ipaddress import ip_address, ip_network

import pytest

from homeward.exchange import outbound

from .receiver import Receiver, receiver

LOCAL = (ip_network("127.0.0.0/8"),)


@pytest.fixture
async def hook() -> AsyncIterator[Receiver]:
    async with receiver() as here:
        yield here


@pytest.mark.parametrize(
    "inside",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "224.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fd00::1", "ff02::1", "::ffff:10.0.0.1",
        "64:ff9b::a00:1", "2002:a00:1::1",
    ],
)  # fmt: skip
def test_addresses_that_are_never_reached(inside: str) -> None:
    assert not outbound.is_allowed(ip_address(inside), ())


@pytest.mark.parametrize("outside", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_addresses_that_may_be(outside: str) -> None:
    assert outbound.is_allowed(ip_address(outside), ())


async def test_a_name_is_refused_for_any_address_of_its(hook: Receiver) -> None:
    url = hook.url.replace("127.0.0.1", "localhost")
    with pytest.raises(outbound.NotSent, match="address-not-allowed"):
        await outbound.post(url, b"{}", {}, networks=(), seconds=5)
    with pytest.raises(outbound.NotSent, match="name-not-found"):
        await outbound.addresses_of("no-name-is-so-long." + "x" * 64, 443, LOCAL)
    assert hook.came == []


async def test_a_connection_goes_to_the_address_with_the_name_in_it(hook: Receiver) -> None:
    url = hook.url.replace("127.0.0.1", "localhost")
    networks = (*LOCAL, ip_network("::1/128"))
    [*_, address] = await outbound.addresses_of("localhost", 80, networks)
    if address.version == 4:
        assert await outbound.post(url, b"{}", {}, networks=networks, seconds=5) == 204
        assert hook.came[0][0]["host"] == url.split("/")[2]
