"""Where Penstock may connect to: every connection that it opens is checked here, and goes where the check looked.

An address that stands in a document is not to be trusted: it may lead to this machine, to the network behind it or to
a cloud's metadata service, by its name, by its spelling, by a redirect, or by a name server that gives another answer
the second time. So names are looked up once, every address is checked, and the connection is made to what was checked,
while TLS and the `Host` header keep the name. The cases are those of OWASP's page on server-side request forgery
(https://cheatsheetseries.owasp.org/cheatsheets/Server_Side_Request_Forgery_Prevention_Cheat_Sheet.html).
"""

import re
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING

from penstock.addresses import Address, carried, is_metadata, is_name, literal, parse_allowed, what_it_is
from penstock.errors import RejectedError

if TYPE_CHECKING:
    import httpx

Resolve = Callable[[str, int], Sequence[str]]
"""Takes the name of a host and a port, gives its addresses; raises `socket.gaierror`."""

PORTS = frozenset({80, 443})
"""Where the public internet serves documents. What a setting allows may be on any port."""

_HINT = "where it is meant, name it under `network: {allow: […]}` of the profile"
_LONGEST = 4096
_UNSPEAKABLE = re.compile(r"[\x00-\x20\x7f\\]")


class BlockedError(RejectedError):
    """An address that must not be connected to."""


def look_up(host: str, port: int) -> list[str]:
    """The addresses of a host, in the order in which the system would try them (RFC 6724)."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


class Guard:
    """Says which addresses may be connected to.

    Args:
        allow: hosts (`files.example`, `127.0.0.1`) and networks (`10.1.0.0/16`) that are allowed although they are not
            public, on any port. Metadata services are refused all the same.
        resolve: how names are looked up.
    """

    def __init__(self, allow: Iterable[str] = (), *, resolve: Resolve = look_up) -> None:
        self._hosts, self._networks = parse_allowed(allow)
        self._resolve = resolve

    def check(self, url: str) -> "httpx.URL":
        """The address, parsed, where its form is sound; its host is looked up later, by `addresses`.

        Raises `BlockedError` for any scheme but http and https, a name and a password, a port that is not allowed, and
        a host in a spelling that could mean another one.
        """
        import httpx

        if len(url) > _LONGEST or _UNSPEAKABLE.search(url):
            raise BlockedError("an address with spaces, backslashes or control characters, or too long to be one")
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL as exc:
            raise BlockedError(f"no address: {told(url)}") from exc
        if parsed.scheme not in ("http", "https"):
            raise BlockedError(f"{told(url)}: `http` or `https` would be right")
        if parsed.userinfo:
            raise BlockedError(f"an address with a name or password in it, at `{parsed.host}`")
        host = parsed.raw_host.decode("ascii")
        address = literal(host)
        if address is None and not is_name(host):
            raise BlockedError(f"`{host[:80]}`: no name of a host, and no address in its usual form")
        if _port(parsed) not in PORTS and not self._is_allowed_host(host, address):
            raise BlockedError(f"`{host}`: port {_port(parsed)}; 80 or 443 would be right", hint=_HINT)
        if address is not None:
            self._check_address(host, address)
        return parsed

    def addresses(self, host: str, port: int, seconds: float | None = None) -> list[str]:
        """The addresses of a host, each of them checked; connect to these and to nothing else.

        Raises `BlockedError` where any of them is not allowed, `socket.gaierror` where the host has none, and
        `TimeoutError` where its name is not found in time.
        """
        found = [host] if literal(host) else _in_time(lambda: self._resolve(host, port), seconds)
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "no address")
        for each in map(ip_address, found):
            self._check_address(host, each)
        return list(found)

    def _check_address(self, host: str, address: Address) -> None:
        where = f"`{host}`" if str(address) == host else f"`{host}` ({address})"
        if is_metadata(address):
            raise BlockedError(f"{where}: the metadata service of a cloud, which nothing may ask")
        what = what_it_is(address)
        if what and not self._is_allowed_host(host, address):
            raise BlockedError(f"{where}: {what}, and not on the public internet", hint=_HINT)

    def _is_allowed_host(self, host: str, address: Address | None) -> bool:
        if host.lower() in self._hosts:
            return True
        both = () if address is None else (address, carried(address))
        return any(each in network for each in both if each is not None for network in self._networks)


def told(url: str) -> str:
    """An address as messages tell it: without its query, where signatures and keys stand, and without a password."""
    bare = re.sub(r"(://)[^/@]*@", r"\1", re.split(r"[?#]", url, maxsplit=1)[0])
    return f"`{bare[:200]}`"


def _port(url: "httpx.URL") -> int:
    return url.port if url.port is not None else 443 if url.scheme == "https" else 80


def _in_time(call: Callable[[], Sequence[str]], seconds: float | None) -> Sequence[str]:
    """What a call gives. Nothing interrupts a look-up: one that is late goes on in its thread, and nobody waits."""
    if seconds is None:
        return call()
    found: list[Sequence[str] | BaseException] = []

    def work() -> None:
        try:
            found.append(call())
        except BaseException as exc:  # noqa: BLE001 - handed to the thread that waits
            found.append(exc)

    thread = threading.Thread(target=work, name="penstock-look-up", daemon=True)
    thread.start()
    thread.join(seconds)
    if not found:
        raise TimeoutError("the name is not found in time")
    if isinstance(found[0], BaseException):
        raise found[0]
    return found[0]


ANYWHERE = Guard(["0.0.0.0/0", "::/0"])
"""For addresses that a setting names: a server beside Penstock is meant. Metadata services are refused here, too."""
