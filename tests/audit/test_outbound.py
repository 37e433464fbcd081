"""One POST to a stranger's address: it arrives where it should, and nowhere else."""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from audit import outbound, targets
from audit.outbound import NoAnswer, TargetRefused, post
from tests.audit.authority import certify
from tests.audit.receiver import Receiver, drip, receiving

type Names = dict[str, list[str]]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """What the internet's names lead to; a name has one answer an entry, and is asked in that order."""
    known: Names = {}
    real = socket.getaddrinfo

    def look_up(host: str, port: int, *rest: Any, **more: Any) -> Any:
        return real(known[host].pop(0) if host in known else host, port, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


def test_a_message_arrives_and_its_answer_comes_back(receiver: Receiver) -> None:
    def reply(request: BaseHTTPRequestHandler) -> None:
        request.send_response(202)
        request.end_headers()
        request.wfile.write("schön".encode())

    receiver.reply = reply

    answer = post(receiver.url + "?a=1", '{"a": "ö"}', {"webhook-id": "msg_1"})

    assert (answer.status, answer.excerpt, answer.is_good) == (202, "schön", True)
    headers, body = receiver.got[0]
    assert body == '{"a": "ö"}'.encode()
    assert headers["webhook-id"] == "msg_1"
    assert headers["host"] == f"127.0.0.1:{receiver.port}"


PRIVATE = [
    *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"),
    *("0.0.0.0", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1"),
    *("::1", "::", "fe80::1", "fc00::1", "fec0::1", "ff02::1", "2001:db8::1", "::127.0.0.1"),
    *("::ffff:10.0.0.1", "::ffff:8.8.8.8", "64:ff9b::a00:1", "64:ff9b:1::1", "2002:a00:1::1"),
    *("2001:0:a00:1::1", "fe80::1%lo"),
]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_refused(address: str, settings: Settings) -> None:
    settings.WATCHFLOOR_PRIVATE_TARGETS = ["192.168.7.0/24", "house.example"]

    host = f"[{address}]" if ":" in address else address
    with pytest.raises(TargetRefused, match="not an address of the public internet"):
        targets.find(f"https://{host}/")


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111"])
def test_public_addresses_are_not(address: str) -> None:
    assert targets.is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "spelling", ["localhost", "127.1", "0x7f000001", "2130706433", "017700000001"]
)
def test_this_machine_is_found_in_every_spelling(spelling: str) -> None:
    with pytest.raises(TargetRefused, match="public internet"):
        post(f"https://{spelling}/", "")


def test_a_name_that_leads_into_the_house_is_refused(names: Names) -> None:
    names["hooks.example.com"] = ["127.0.0.1"]

    with pytest.raises(TargetRefused, match=r"hooks.example.com leads to 127.0.0.1, not"):
        post("https://hooks.example.com/", "")


def test_a_name_that_changes_its_mind_is_asked_once(
    names: Names, receiver: Receiver, home: Settings
) -> None:
    home.WATCHFLOOR_PRIVATE_TARGETS = ["127.0.0.1"]
    names["hooks.example.com"] = ["127.0.0.1", "169.254.169.254"]

    post(f"http://hooks.example.com:{receiver.port}/", "")

    assert len(receiver.got) == 1
    with pytest.raises(TargetRefused):
        post(f"http://hooks.example.com:{receiver.port}/", "")


def test_a_private_target_may_be_named_by_its_name(
    names: Names, receiver: Receiver, home: Settings
) -> None:
    home.WATCHFLOOR_PRIVATE_TARGETS = ["Hooks.Example.com"]
    names["hooks.example.com"] = ["127.0.0.1"]

    assert post(f"http://hooks.example.com:{receiver.port}/", "").status == 204
    with pytest.raises(TargetRefused):
        post(receiver.url, "")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://1.1.1.1/", "must start with https://"),
        ("ftp://example.com/", "must start with https://"),
        ("https:///path", "name a host"),
        ("//example.com", "must start with https://"),
        ("https://ada:word@example.com/", "user name"),
        ("https://example.com@127.0.0.1/", "user name"),
        ("https://example.com:99999/", "not a URL"),
        ("https://example.com:0/", "Port 0"),
        ("https://[::1/", "not a URL"),
        ("https://example.com/a b", "percent-encoded"),
        ("https://example.com/\r\nX: y", "percent-encoded"),
        ("https://example.com\\@127.0.0.1/", "percent-encoded"),
        ("https://exämple.com/", "percent-encoded"),
        ("https://example.com/" + "a" * 2000, "2,000"),
    ],
)
def test_what_is_no_address_for_us_is_refused_in_words(url: str, why: str) -> None:
    with pytest.raises(TargetRefused, match=why):
        post(url, "")


def test_a_name_without_address_is_no_answer(names: Names) -> None:
    names["hooks.example.com"] = ["no.such.name.invalid"]

    with pytest.raises(NoAnswer, match=r"hooks.example.com has no address"):
        post("https://hooks.example.com/", "")


def test_redirects_are_told_and_not_followed(receiver: Receiver) -> None:
    with receiving() as other:

        def reply(request: BaseHTTPRequestHandler) -> None:
            request.send_response(307)
            request.send_header("Location", other.url)
            request.end_headers()

        receiver.reply = reply
        answer = post(receiver.url, "body")

        assert answer.status == 307
        assert not answer.is_good
        assert not other.got


def test_proxies_of_the_environment_are_not_used(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    assert post(receiver.url, "").status == 204


def silence(request: BaseHTTPRequestHandler) -> None:
    request.connection.settimeout(5)
    request.connection.recv(1)


@pytest.mark.parametrize("slow", [silence, drip])
def test_all_together_takes_no_longer_than_it_may(
    receiver: Receiver, slow: Callable[[BaseHTTPRequestHandler], None]
) -> None:
    receiver.reply = slow
    start = time.monotonic()

    with pytest.raises(NoAnswer, match="did not answer within"):
        post(receiver.url, "", timeout=0.4)

    assert time.monotonic() - start < 1.5


def test_a_body_that_never_ends_does_not_take_the_answer_away(receiver: Receiver) -> None:
    def endless(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        while True:
            request.wfile.write(b"a" * 65536)

    receiver.reply = endless

    answer = post(receiver.url, "", timeout=5)

    assert answer.status == 200
    assert answer.excerpt == "a" * outbound.MOST_READ


def test_what_is_not_http_is_no_answer(receiver: Receiver) -> None:
    def greet(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"220 mail.example.com ESMTP\r\n")

    receiver.reply = greet

    with pytest.raises(NoAnswer, match="did not answer in HTTP"):
        post(receiver.url, "")


def test_a_closed_door_is_no_answer(receiver: Receiver) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))

        with pytest.raises(NoAnswer, match="could not be reached: Connection refused"):
            post(f"http://127.0.0.1:{taken.getsockname()[1]}/", "")


@pytest.fixture
def secure(tmp_path: Path, home: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A receiver that proves to be hooks.example.com, by an authority this house trusts."""
    context = certify("hooks.example.com", tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    outbound._tls.cache_clear()
    with receiving(context) as server:
        context.sni_callback = lambda _, name, __: server.asked_for.append(name)
        yield server
    outbound._tls.cache_clear()


def test_a_secure_receiver_is_known_by_its_name(secure: Receiver, names: Names) -> None:
    names["hooks.example.com"] = ["127.0.0.1"]

    answer = post(f"https://hooks.example.com:{secure.port}/", "hello")

    assert answer.status == 204
    assert secure.got[0][0]["host"] == f"hooks.example.com:{secure.port}"
    assert secure.asked_for == ["hooks.example.com"]


def test_a_certificate_for_another_name_is_no_answer(secure: Receiver, names: Names) -> None:
    names["other.example.com"] = ["127.0.0.1"]

    with pytest.raises(NoAnswer, match=r"The certificate of other\.example\.com is not valid"):
        post(f"https://other.example.com:{secure.port}/", "hello")

    assert not secure.got


def test_a_certificate_of_nobody_we_trust_is_no_answer(
    secure: Receiver, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    outbound._tls.cache_clear()
    names["hooks.example.com"] = ["127.0.0.1"]

    with pytest.raises(NoAnswer, match="is not valid"):
        post(f"https://hooks.example.com:{secure.port}/", "hello")


def test_a_plain_server_gives_no_secure_answer(receiver: Receiver) -> None:
    with pytest.raises(NoAnswer, match="No secure connection"):
        post(receiver.url.replace("http:", "https:"), "hello")
