"""Where we may send: addresses the public reaches, and private ones only when the settings name them.

A person or an agent gives us an address and our server goes there. Without a check, that would make of every
settings page a door into the house (cloud metadata, databases, ourselves): server-side request forgery.
"""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from django.conf import settings

from .errors import Invalid

type Address = IPv4Address | IPv6Address

LONGEST_URL = 2000

# They carry an IPv4 address inside, or reach one by a translator: what they lead to cannot be seen from here.
_TRANSLATED = [
    IPv6Network(net)
    for net in (
        "::ffff:0:0/96",
        "::/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2002::/16",
        "2001::/32",
    )
]


class TargetRefused(Invalid):
    """We do not send there; nothing was sent."""

    code = "target_refused"


class NoAnswer(Exception):
    """Nobody could be reached, or the answer did not come in time. The text is a sentence."""


@dataclass(frozen=True)
class Target:
    """A URL taken apart, with the addresses its name had when it was checked."""

    host: str
    port: int
    path: str
    is_tls: bool
    addresses: tuple[Address, ...]

    @property
    def host_header(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.is_tls else 80) else f"{host}:{self.port}"


def find(url: str, *, timeout: float = 10) -> Target:
    """Check a URL and resolve its name, once. Raises `TargetRefused`, or `NoAnswer` when it has no address."""
    scheme, host, port, path = _parts(url)
    addresses = check(host, port, is_tls=scheme == "https", timeout=timeout)
    return Target(host, port, path, scheme == "https", addresses)


def check(host: str, port: int, *, is_tls: bool, timeout: float = 10) -> tuple[Address, ...]:
    """The addresses of a name we may send to. Raises `TargetRefused`, or `NoAnswer` when it has none."""
    addresses = _resolve(host, port, timeout)
    for address in addresses:
        if not is_allowed(host, address):
            raise TargetRefused(refusal(host, address))
    if not is_tls and not all(is_named(host, address) for address in addresses):
        raise TargetRefused(
            "The URL must start with https://. Plain http:// is only for targets "
            "that are named in WATCHFLOOR_PRIVATE_TARGETS."
        )
    return addresses


def refusal(host: str, address: Address) -> str:
    """Why we do not send there, in a sentence."""
    what = f"{host} is" if str(address) == host else f"{host} leads to {address},"
    return (
        f"{what} not an address of the public internet. "
        "Name it in WATCHFLOOR_PRIVATE_TARGETS if messages may go there."
    )


def is_allowed(host: str, address: Address) -> bool:
    return is_public(address) or is_named(host, address)


def is_public(address: Address) -> bool:
    """One of the global unicast addresses (IANA special-purpose registries), and not a translated one."""
    if isinstance(address, IPv6Address) and (
        address.is_site_local or any(address in net for net in _TRANSLATED)
    ):
        return False
    return address.is_global and not (
        address.is_multicast
        or address.is_reserved
        or address.is_loopback
        or address.is_link_local
        or address.is_unspecified
    )


def is_named(host: str, address: Address) -> bool:
    """By its name, or by a network its address is in."""
    for named in settings.WATCHFLOOR_PRIVATE_TARGETS:
        try:
            network = ip_network(named.strip("[]"), strict=False)
        except ValueError:
            if named.rstrip(".").lower() == host:
                return True
        else:
            if address in network:
                return True
    return False


def _parts(url: str) -> tuple[str, str, int, str]:
    if len(url) > LONGEST_URL:
        raise TargetRefused(f"A URL can be {LONGEST_URL:,} characters long.")
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise TargetRefused("The URL has spaces or letters in it that must be percent-encoded.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as problem:
        raise TargetRefused("This is not a URL that anything can be sent to.") from problem
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise TargetRefused("The URL must start with https:// and name a host.")
    if "@" in parts.netloc:
        raise TargetRefused("The URL must not contain a user name or password.")
    if port == 0:
        raise TargetRefused("Port 0 is no port.")
    path = parts.path or "/"
    return (
        parts.scheme,
        parts.hostname.rstrip(".").lower(),
        port or (443 if parts.scheme == "https" else 80),
        f"{path}?{parts.query}" if parts.query else path,
    )


def _resolve(host: str, port: int, timeout: float) -> tuple[Address, ...]:
    """Every address of a name. In a thread of its own: the system's resolver knows no time limit of ours."""
    found: list[Address] = []
    problem: list[OSError | ValueError] = []

    def ask() -> None:
        try:
            for *_, place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
                address = ip_address(str(place[0]))  # with its zone: fe80::1%eth0 stays link-local
                if address not in found:
                    found.append(address)
        except (OSError, ValueError) as error:
            problem.append(error)

    asking = threading.Thread(target=ask, daemon=True, name="resolve")
    asking.start()
    asking.join(timeout)
    if asking.is_alive():
        raise NoAnswer(f"The name {host} was not resolved within {timeout:.0f} s.")
    if problem or not found:
        raise NoAnswer(f"The name {host} has no address.")
    return tuple(found)
