"""Which network addresses belong to the public internet, and which never are an answer.

Sources: the special-purpose registries of IANA (RFC 6890) as `ipaddress` knows them; RFC 4291 (v4-mapped), RFC 6052
(NAT64), RFC 3056 (6to4), RFC 5214 (ISATAP); the metadata services of AWS, Azure, Google, Alibaba and Oracle.
"""

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

METADATA = frozenset(
    map(
        ip_address,
        (
            "169.254.169.254",  # AWS, Azure, Google, Oracle, OpenStack
            "169.254.170.2",  # AWS ECS
            "169.254.170.23",  # AWS EKS
            "168.63.129.16",  # Azure's host, a public address by its number
            "100.100.100.200",  # Alibaba
            "192.0.0.192",  # Oracle Classic
            "fd00:ec2::254",  # AWS
            "fd00:ec2::23",  # AWS EKS
            "fd20:ce::254",  # Google
        ),
    )
)
"""Where clouds hand out credentials. No setting allows these."""

_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_NUMBER = re.compile(r"(.*\.)?(0x[0-9a-f]*|[0-9]+)")
_LONGEST_NAME = 253
_UNICAST_V6 = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)


def carried(address: Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address stands for, or None."""
    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped or address.sixtofour:
        return address.ipv4_mapped or address.sixtofour
    low = int(address) & 0xFFFF_FFFF
    if address in _NAT64 or (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP:
        return IPv4Address(low)
    if int(address) >> 32 == 0 and low > 1:  # ::a.b.c.d, the oldest way
        return IPv4Address(low)
    return None


def is_metadata(address: Address) -> bool:
    """Whether a cloud's metadata service answers there, under whatever spelling."""
    inner = carried(address)
    return address in METADATA or (inner is not None and inner in METADATA)


def what_it_is(address: Address) -> str:
    """Why an address is no public one (`loopback`, `private`, …); empty where it is public."""
    if is_metadata(address):
        return "a metadata service"
    inner = carried(address)
    if inner is not None:
        return what_it_is(inner) or ("" if address in _NAT64 or _is_mapped(address) else "a tunnel's address")
    if address.is_loopback:
        return "loopback"
    if address.is_link_local:
        return "link-local"
    if address.is_multicast:
        return "multicast"
    if address.is_unspecified:
        return "no host's address"
    if not address.is_global or (isinstance(address, IPv6Address) and address not in _UNICAST_V6):
        return "private or reserved"
    return ""


def _is_mapped(address: Address) -> bool:
    return isinstance(address, IPv6Address) and address.ipv4_mapped is not None


def literal(host: str) -> Address | None:
    """The address, where a host is written as one in the usual form; None where it is a name, or no host."""
    try:
        return None if "%" in host else ip_address(host)
    except ValueError:
        return None


def is_name(host: str) -> bool:
    """Whether it is a name, and none that some resolvers take for a number: `0x7f.1`, `2130706433`."""
    return len(host) <= _LONGEST_NAME and _NAME.fullmatch(host) is not None and _NUMBER.fullmatch(host) is None


def host_or_network(text: str) -> str:
    """The text as it came, in lower case. Raises `ValueError` where it is neither a host nor a network."""
    lowered = text.lower()
    if literal(lowered) is None and not is_name(lowered):
        try:
            ip_network(lowered)
        except ValueError:
            raise ValueError("should be a host (`files.example`) or a network (`10.1.0.0/16`)") from None
    return lowered


def parse_allowed(allow: Iterable[str]) -> tuple[frozenset[str], tuple[Network, ...]]:
    """(hosts, networks) of what a setting allows. Raises `ValueError` for what is neither."""
    found = [host_or_network(each) for each in allow]
    names = frozenset(each for each in found if is_name(each))
    return names, tuple(ip_network(each) for each in found if each not in names)
