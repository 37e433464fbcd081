"""Which addresses a channel may have, and what a channel's library may do."""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from django.utils import timezone
from pytest_django import Settings

from audit.errors import Invalid
from people.models import Person, Team
from reviews.alerting import sending, services
from reviews.alerting.guard import Attempt, guarded
from reviews.alerting.wording import Message
from reviews.models import Channel
from reviews.transitions import channel as channels
from tests.audit.authority import certify
from tests.audit.receiver import Receiver, receiving

from .conftest import Post

type Names = dict[str, list[str]]

TOLD = Message(
    "Critical: scout <!channel> *stops*", "It loops\nLook: http://floor/holds/1/", "critical"
)


def carried(address: str) -> sending.Outcome:
    parcel = sending.Parcel(1, Channel(), TOLD, address, "", "watchfloor-1", timezone.now())
    return sending.carry(parcel)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """What the internet's names lead to; a name has one answer an entry, and is asked in that order."""
    known: Names = {}
    real = socket.getaddrinfo

    def look_up(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
        answers = known.get(host)
        if not answers:
            return real(host, port, *rest, **more)
        address = answers.pop(0) if len(answers) > 1 else answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, int(port)))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


# -- addresses -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        *("syslog://", "dbus://", "gnome://", "windows://", "macosx://", "file:///etc/passwd"),
        *("mqtt://example.org/topic", "irc://example.org/room", "smpp://u:p@example.org:1/1/2"),
        *("apprise://example.org/token", "config://x", "rsyslog://example.org", "xmpp://u:p@h"),
        *("javascript:alert(1)", "ftp://example.org/", "", "hello", "json://", "slack://x"),
        "growl://example.org",
    ],
)
def test_what_is_no_service_is_refused_in_a_sentence(address: str) -> None:
    with pytest.raises(Invalid) as refused:
        services.read(address)

    assert refused.value.detail.endswith(".")


@pytest.mark.parametrize(
    "option",
    [
        "template=/etc/passwd",
        "attach=/etc/passwd",
        "pgp=yes",
        "pgpkey=/etc/x",
        "verify=no",
        "redirect=yes",
    ],
)
def test_options_that_reach_into_the_machine_are_refused(option: str) -> None:
    with pytest.raises(Invalid, match="is not for channels here"):
        services.read(f"jsons://example.org/hook?{option}")


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", "slack"),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", "slack"),
        ("pagerduty://" + "k" * 32 + "@" + "a" * 20, "pagerduty"),
        ("https://discord.com/api/webhooks/0000000000/" + "B" * 40, "other"),
    ],
)
def test_a_token_is_never_shown(address: str, kind: str) -> None:
    found = services.read(address)

    assert found.kind == kind
    assert found.shown == f"{found.url.partition('://')[0]}://…"


def test_a_private_address_is_refused_at_once(db: None) -> None:
    with pytest.raises(Invalid, match="not an address of the public internet"):
        services.read("jsons://127.0.0.1/hook")


def test_what_goes_out_unencrypted_is_refused(names: Names) -> None:
    names["hooks.example.com"] = ["93.184.216.34"]

    with pytest.raises(Invalid, match="write jsons://"):
        services.read("json://hooks.example.com/hook")
    with pytest.raises(Invalid, match="write mailtos://"):
        services.read("mailto://u:p@hooks.example.com")
    assert services.read("https://hooks.example.com/x").url == "jsons://hooks.example.com/x"


def test_teams_is_known_by_its_address(names: Names) -> None:
    host = "prod-1.westeurope.logic.azure.com"
    names[host] = ["93.184.216.34"]
    address = (
        f"https://{host}:443/workflows/"
        + "a" * 32
        + "/triggers/manual/paths/invoke?api-version=2016&sp=%2Ftriggers&sv=1.0&sig="
        + "s" * 43
    )

    found = services.read(address)

    assert found.kind == "teams"
    assert host in found.shown
    assert "aaaa" not in found.shown


# -- what is sent ----------------------------------------------------------------------------------


def test_slack_gets_text_without_mentions(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    from apprise.plugins.slack import NotifySlack

    monkeypatch.setattr(NotifySlack, "webhook_url", receiver.url)
    receiver.status = 200
    receiver.reply = said(b"ok")

    outcome = carried("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ")

    assert outcome.error == ""
    ((_, body),) = receiver.got
    assert "<!channel>" not in body.decode()
    assert "http://floor/holds/1/" in body.decode()


def test_slack_that_refuses_is_a_failure(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    from apprise.plugins.slack import NotifySlack

    monkeypatch.setattr(NotifySlack, "webhook_url", receiver.url)
    receiver.status = 404

    assert (
        carried("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ").error == "It answered 404."
    )


def test_pagerduty_gets_one_incident_an_alert(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    from apprise.plugins import pagerduty

    addresses = dict.fromkeys(pagerduty.PAGERDUTY_API_LOOKUP, receiver.url)
    monkeypatch.setattr(pagerduty, "PAGERDUTY_API_LOOKUP", addresses)
    receiver.status = 202

    assert carried("pagerduty://" + "k" * 32 + "@" + "a" * 20).error == ""

    ((_, body),) = receiver.got
    told = json.loads(body)
    assert told["dedup_key"] == "watchfloor-1"
    assert told["payload"]["severity"] == "critical"
    assert told["event_action"] == "trigger"


def test_teams_gets_a_card(
    home: Settings, names: Names, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names["teams.example.com"] = ["127.0.0.1"]
    context = certify("teams.example.com", tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    with receiving(context) as secure:
        secure.status = 202
        address = f"workflows://teams.example.com:{secure.port}/{'w' * 32}/{'s' * 43}"

        outcome = carried(address)

        assert outcome.error == ""
        ((_, body),) = secure.got
    assert json.loads(body)["type"] == "message"
    assert "AdaptiveCard" in body.decode()


def test_a_certificate_that_is_not_valid_is_refused(
    home: Settings, names: Names, tmp_path: Path
) -> None:
    names["teams.example.com"] = ["127.0.0.1"]
    with receiving(certify("teams.example.com", tmp_path)) as secure:
        outcome = carried(f"jsons://teams.example.com:{secure.port}/")

        assert "certificate" in outcome.error
        assert not secure.got


def test_mail_has_no_line_ends_in_its_subject(post: Post, home: Settings) -> None:
    port = home.WATCHFLOOR_MAIL["port"]
    told = Message("Stop\r\nBcc: all@example.org", "text", "critical")
    address = f"mailto://127.0.0.1:{port}/?smtp=127.0.0.1&from=w@example.org&to=ada@example.org"
    parcel = sending.Parcel(1, Channel(), told, address, "", "", timezone.now())

    outcome = sending.carry(parcel)

    for _, to, text in post.got:
        assert to == ["ada@example.org"]
        head = text.replace("\r\n", "\n").partition("\n\n")[0]
        assert not any(line.lower().startswith("bcc:") for line in head.splitlines())
    assert post.got or outcome.error


def test_a_mail_server_that_is_away_is_named(home: Settings) -> None:
    outcome = carried("mailto://127.0.0.1:9/?smtp=127.0.0.1&from=w@example.org&to=ada@example.org")

    assert outcome.error.startswith("127.0.0.1 said: ")


def said(body: bytes) -> Callable[[Any], None]:
    def answering(request: Any) -> None:
        request.send_response(200)
        request.end_headers()
        request.wfile.write(body)

    return answering


# -- the guard -------------------------------------------------------------------------------------


def test_a_name_that_changes_its_mind_reaches_nothing(names: Names, settings: Settings) -> None:
    settings.WATCHFLOOR_PRIVATE_TARGETS = []
    names["rebind.example.com"] = ["93.184.216.34", "127.0.0.1"]
    with receiving() as inside:
        address = f"https://rebind.example.com:{inside.port}/x"
        found = services.read(address)  # leads to a public address now

        outcome = carried(found.url)

        assert "not an address of the public internet" in outcome.error
        assert not inside.got


def test_redirects_are_not_followed(receiver: Receiver) -> None:
    def elsewhere(request: Any) -> None:
        request.send_response(307)
        request.send_header("Location", receiver.url.replace("/hook", "/other"))
        request.end_headers()

    receiver.reply = elsewhere

    outcome = carried(f"json://127.0.0.1:{receiver.port}/")

    assert outcome.error.startswith("It answered 307: redirects are not followed.")
    assert len(receiver.got) == 1


def test_proxies_and_passwords_of_the_environment_are_left_alone(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9/")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login ada password secret\n")

    outcome = carried(f"json://127.0.0.1:{receiver.port}/")

    assert outcome.error == ""
    assert "authorization" not in receiver.got[0][0]


@pytest.mark.parametrize(
    "deed",
    [
        lambda: Path("/etc/passwd").read_text(),
        lambda: Path("/tmp/x").write_text("x"),
        lambda: os.system("true"),
        lambda: socket.socket(socket.AF_UNIX).connect("/run/x"),
        lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 9)),
        lambda: socket.socket().connect(("localhost", 9)),
        lambda: requests.get("http://169.254.169.254/latest/meta-data", timeout=2),
    ],
    ids=["read", "write", "command", "unix", "datagram", "name", "metadata"],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_nothing_else_can_be_done_meanwhile(settings: Settings, deed: Callable[[], object]) -> None:
    settings.WATCHFLOOR_PRIVATE_TARGETS = []
    attempt = Attempt()

    with guarded(attempt), pytest.raises(OSError):  # noqa: PT011
        deed()

    assert attempt.refused


def test_afterwards_all_is_as_before(receiver: Receiver, tmp_path: Path) -> None:
    with guarded(Attempt()):
        pass

    (tmp_path / "x").write_text("x")
    assert requests.post(receiver.url, data=b"x", timeout=5).status_code == 204


def test_an_answer_without_end_is_cut_short(receiver: Receiver) -> None:
    def endless(request: Any) -> None:
        request.send_response(200)
        request.end_headers()
        for _ in range(1000):
            request.wfile.write(b"x" * 65536)

    receiver.reply = endless

    outcome = carried(f"json://127.0.0.1:{receiver.port}/")

    assert outcome.error == ""
    assert len(outcome.answer) <= 4096


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """Everything that reaches the log, down to the last word."""
    lines: list[str] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    root, keeping = logging.getLogger(), Keeping()
    before = root.level
    root.addHandler(keeping)
    root.setLevel(1)
    yield lines
    root.removeHandler(keeping)
    root.setLevel(before)


def test_addresses_are_in_no_log(
    receiver: Receiver, support: Team, ada: Person, logged: list[str]
) -> None:
    address = f"json://127.0.0.1:{receiver.port}/a-long-secret-token"
    channels.create(support, name="desk", address=address, by=ada)
    carried(address)
    receiver.status = 500
    carried(address)
    carried("json://127.0.0.1:9/a-long-secret-token")

    assert not any("a-long-secret-token" in line for line in logged)
