"""Where Penstock may connect to: every spelling of an address that is none of its business is refused."""

import socket
from collections.abc import Sequence

import pytest

from penstock.adapters.guard import ANYWHERE, BlockedError, Guard, told
from penstock.addresses import parse_allowed

METADATA = [
    "169.254.169.254",
    "169.254.170.2",
    "169.254.170.23",
    "168.63.129.16",
    "100.100.100.200",
    "192.0.0.192",
    "fd00:ec2::254",
    "fd20:ce::254",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::",
    "::a9fe:a9fe",
    "fe80::5efe:169.254.169.254",
    "2600:1900::5efe:a9fe:a9fe",
    "2600:1900::200:5efe:a9fe:a9fe",
]
PRIVATE = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.1.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "2001::1",  # Teredo
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:808:808::",  # a tunnel, wherever it leads
    "2600:1900::5efe:127.0.0.1",
    "100::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]
PUBLIC = ["8.8.8.8", "93.184.215.14", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]


def answering(*answers: Sequence[str]) -> Guard:
    """A guard whose name server gives one answer after the other."""
    given = iter(answers)
    return Guard(resolve=lambda host, port: next(given))


@pytest.mark.parametrize("address", METADATA + PRIVATE)
@pytest.mark.parametrize("way", ["written", "looked up"])
def test_what_is_not_on_the_public_internet_is_refused(address: str, way: str) -> None:
    host, guard = (address, Guard()) if way == "written" else ("papers.example", answering([address]))
    with pytest.raises(BlockedError):
        guard.addresses(host, 80)


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_on_the_public_internet_is_allowed(address: str) -> None:
    assert Guard().addresses(address, 443) == [address]
    assert answering([address]).addresses("papers.example", 443) == [address]


@pytest.mark.parametrize("address", METADATA)
@pytest.mark.parametrize(
    "guard",
    [
        ANYWHERE,
        Guard(["papers.example"], resolve=lambda host, port: [host]),
        Guard(["169.254.0.0/16", "168.63.129.16", "::/0"]),
    ],
    ids=["anywhere", "the host by name", "the network"],
)
def test_no_setting_allows_a_metadata_service(guard: Guard, address: str) -> None:
    with pytest.raises(BlockedError, match="metadata service"):
        guard.addresses(address, 80)
    with pytest.raises(BlockedError, match="metadata service"):
        Guard(["papers.example"], resolve=lambda host, port: [address]).addresses("papers.example", 80)


def test_one_bad_address_refuses_all() -> None:
    with pytest.raises(BlockedError) as caught:
        answering(["93.184.215.14", "::1"]).addresses("papers.example", 443)
    assert str(caught.value) == "`papers.example` (::1): loopback, and not on the public internet"
    assert caught.value.hint == "where it is meant, name it under `network: {allow: […]}` of the profile"


def test_a_name_that_is_looked_up_again_is_checked_again() -> None:
    rebinding = answering(["93.184.215.14"], ["127.0.0.1"])
    assert rebinding.addresses("papers.example", 443) == ["93.184.215.14"]
    with pytest.raises(BlockedError):
        rebinding.addresses("papers.example", 443)


@pytest.mark.parametrize(
    "host",
    [
        "127.1",
        "2130706433",
        "017700000001",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "127.0.0.01",
        "127.0.0.1.",
        "papers.example.",
        "1.2.3.4.5",
        "256.1.1.1",
        "[fe80::1%25eth0]",
        "%31%32%37.0.0.1",
        "127。0。0。1",
        "①②⑦.⓪.⓪.①",
        "ⓛocalhost",
        "a..b",
        "-a.example",
        "exa mple.com",
        "",
        "x" * 64 + "." + "y" * 200,
    ],
)
def test_a_host_in_another_spelling_is_refused(host: str) -> None:
    guard = Guard(resolve=lambda host, port: pytest.fail(f"{host} was looked up"))
    with pytest.raises(BlockedError):
        guard.addresses(guard.check(f"http://{host}/a.pdf").host, 80)


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc/passwd",
        "gopher://papers.example/",
        "ftp://papers.example/a.pdf",
        "data:application/pdf;base64,JVBERg==",
        "javascript:alert(1)",
        "//papers.example/a.pdf",
        "papers.example/a.pdf",
        "http:papers.example",
        "http://name@papers.example/",
        "http://name:s3cret@papers.example/",
        "http://papers.example\\@127.0.0.1/",
        "http://papers.example/a b.pdf",
        "http://papers.example/\r\nHost: other.example",
        "http://papers.example/\x00",
        "http://papers.example:22/",
        "https://papers.example:8443/",
        "http://papers.example:0/",
        "http://papers.example:99999999/",
        "http://" + "a" * 5_000,
        "",
    ],
)
def test_an_address_of_another_form_is_refused(address: str) -> None:
    with pytest.raises(BlockedError) as caught:
        Guard().check(address)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "address", ["http://papers.example/a.pdf?x=1", "https://bücher.example:443/ä.pdf", "https://[2606:4700::1111]/a"]
)
def test_an_ordinary_address_is_allowed(address: str) -> None:
    assert Guard().check(address).host


def test_what_a_setting_names_is_allowed_on_any_port() -> None:
    guard = Guard(["files.internal", "10.1.0.0/16", "::1"], resolve=lambda host, port: ["192.168.0.9"])
    assert guard.check("http://files.internal:9000/a").port == 9000
    assert guard.addresses("FILES.internal", 9000) == ["192.168.0.9"]
    assert guard.addresses("10.1.2.3", 9000) == ["10.1.2.3"]
    assert guard.addresses("::ffff:10.1.2.3", 9000) == ["::ffff:10.1.2.3"]
    assert guard.addresses("::1", 9000) == ["::1"]
    for host in ("10.2.0.1", "other.internal", "127.0.0.1"):
        with pytest.raises(BlockedError):
            guard.addresses(host, 9000)
    with pytest.raises(BlockedError, match="port 9000"):
        guard.check("http://other.internal:9000/a")


@pytest.mark.parametrize("allowed", ["10.1.2.3/16", "a b", "http://files.internal", "*", "*.internal", "0x7f.1", ""])
def test_what_is_neither_a_host_nor_a_network_is_refused_as_a_setting(allowed: str) -> None:
    with pytest.raises(ValueError, match="should be a host"):
        parse_allowed([allowed])


def test_a_name_server_that_is_late_is_not_waited_for() -> None:
    import threading

    released = threading.Event()

    def slow(host: str, port: int) -> list[str]:
        released.wait(30)
        return ["93.184.215.14"]

    with pytest.raises(TimeoutError):
        Guard(resolve=slow).addresses("papers.example", 80, 0.05)
    released.set()


def test_a_name_that_nobody_knows_is_told_as_the_system_tells_it() -> None:
    with pytest.raises(socket.gaierror):
        answering([]).addresses("papers.example", 80)

    def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    with pytest.raises(socket.gaierror):
        Guard(resolve=unknown).addresses("papers.example", 80, 5.0)


def test_an_address_is_told_without_its_secrets() -> None:
    assert told("https://name:word@papers.example/a.pdf?signature=s3cret#x") == "`https://papers.example/a.pdf`"
