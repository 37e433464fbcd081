"""Which services a channel can be, and an address turned into the one that sends there.

Apprise knows 150 services. Those here reach named hosts over HTTP or SMTP and nothing else; what works on
the machine itself (desktop, syslog, files, commands, plugins of one's own) is none of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlsplit

from django.conf import settings

from audit import targets
from audit.errors import Invalid
from people.models import Person

from ..models import ChannelKind
from .guard import quiet

if TYPE_CHECKING:
    from apprise.plugins.base import NotifyBase

LONGEST = 2000
MAIL = ("mailto", "mailtos")
TEAMS = ("workflow", "workflows")
POSTS = ("json", "jsons", "xml", "xmls", "form", "forms")
HOSTED = (*POSTS, *TEAMS, "mmost", "mmosts", "rocket", "rockets", "gotify", "gotifys")
"""In these a host stands where others have a token, and people may see it."""
SERVICES = frozenset(
    (
        *(*MAIL, *HOSTED, "slack", "pagerduty", "discord", "gchat", "wxteams", "webex"),
        *("tgram", "zulip", "opsgenie", "pagertree", "splunk", "victorops", "signl4", "ilert"),
        *("incidentio", "squadcast", "betterstack", "ntfy", "ntfys", "pover", "twilio"),
        *("sns", "sendgrid", "lark", "feishu", "dingtalk", "zoom", "cliq", "spike"),
        *("firehydrant", "guilded", "revolt", "ryver", "twist", "flock", "line"),
        *("synology", "synologys", "goalert", "goalerts", "nctalk", "nctalks"),
    )
)
KINDS = (
    dict.fromkeys(MAIL, ChannelKind.EMAIL)
    | dict.fromkeys(TEAMS, ChannelKind.TEAMS)
    | dict.fromkeys(POSTS, ChannelKind.WEBHOOK)
    | {"slack": ChannelKind.SLACK, "pagerduty": ChannelKind.PAGERDUTY}
)
REFUSED = frozenset(
    ("template", "attach", "attachment", "attach-as", "pgp", "pgpkey", "pgpkeyid", "config")
    + (
        "verify",
        "redirect",
        "retry",
        "wait",
        "store",
        "format",
        "overflow",
        "emojis",
        "tz",
        "rto",
        "cto",
        "optional",
    )
)
"""Options that read files, or take away what is promised here."""
OWN_HTTP = {"https": "jsons", "http": "json"}


@dataclass(frozen=True)
class Found:
    """An address that can be sent to."""

    kind: str
    url: str
    shown: str


def read(address: str) -> Found:
    """Check an address, and where it leads now. Raises Invalid in a sentence, which never repeats it."""
    address = address.strip()
    if not address or len(address) > LONGEST or not address.isprintable() or "://" not in address:
        raise Invalid(
            "Write an address such as mailtos://user:password@example.org, slack://…, workflows://…, "
            "pagerduty://…, or the https:// address that the service gave you."
        )
    scheme = address.partition("://")[0].lower()
    if scheme in OWN_HTTP:
        address = _of_web(address, scheme)
        scheme = address.partition("://")[0].lower()
    plugin = service(address)
    _check_host(plugin, scheme)
    return Found(KINDS.get(scheme, ChannelKind.OTHER), address, _shown(plugin, scheme))


def _of_web(address: str, scheme: str) -> str:
    """The address a service gave (Slack, Teams, Discord …), or a receiver of one's own."""

    from apprise import manager_plugins
    from apprise.utils import parse

    quiet()
    _check_options(address)
    known: Any = manager_plugins
    for name in sorted(SERVICES):
        plugin = known.NotificationManager()[name]
        found = plugin.parse_native_url(address)
        if found and found.get("schema", name) in SERVICES:
            made = plugin(**{**found, "asset": _asset()})
            return _without_options(str(made.url(privacy=False)))
    read_url: Any = parse.parse_url
    if not read_url(address):
        raise Invalid("This is no address that anything can be sent to.")
    return f"{OWN_HTTP[scheme]}://{address.partition('://')[2]}"


def _without_options(address: str) -> str:
    """As Apprise writes an address, less what it says of its own habits."""
    bare, _, query = address.partition("?")
    kept = [one for one in query.split("&") if one and one.partition("=")[0].lower() not in REFUSED]
    return f"{bare}?{'&'.join(kept)}" if kept else bare


def service(address: str) -> NotifyBase:
    """The one that sends there, its hands tied: nothing followed, nothing unverified, no waiting of its own."""
    from apprise import Apprise, NotifyFormat

    quiet()
    scheme = address.partition("://")[0].lower()
    if scheme not in SERVICES:
        raise Invalid(
            f"Channels of the kind {scheme[:20]}:// are not sent to: only services that are reached over "
            "the network by their name. The documents list them."
        )
    _check_options(address)
    plugin: Any = Apprise.instantiate(address, asset=_asset())
    if plugin is None:
        raise Invalid(
            f"Something is missing in this {scheme}:// address. "
            "https://appriseit.com/services/ says how each is written."
        )
    plugin.verify_certificate = True
    plugin.redirects = False
    plugin.socket_connect_timeout = plugin.socket_read_timeout = 5.0
    plugin.request_rate_per_sec = plugin.service_retry = 0
    plugin.include_image = False
    if NotifyFormat.TEXT in _formats(plugin):
        plugin.notify_format = NotifyFormat.TEXT
    return plugin  # type: ignore[no-any-return]


def _formats(plugin: Any) -> tuple[Any, ...]:
    known = type(plugin).notify_format
    return known if isinstance(known, tuple) else (known,)


def _asset() -> Any:
    from apprise import AppriseAsset, PersistentStoreMode

    return AppriseAsset(
        app_id="Watchfloor",
        app_desc="Watchfloor",
        app_url=settings.WATCHFLOOR_URL,
        image_url_mask="",
        image_url_logo="",
        image_path_mask="",
        async_mode=False,
        secure_logging=True,
        http_redirects=False,
        pgp_autogen=False,
        pem_autogen=False,
        allow_templates=False,
        storage_mode=PersistentStoreMode.MEMORY,
    )


def _check_options(address: str) -> None:
    try:
        query = urlsplit(address).query
    except ValueError as problem:
        raise Invalid("This is no address that anything can be sent to.") from problem
    for key, _ in parse_qsl(query, keep_blank_values=True):
        if key.lower().lstrip("+-:") in REFUSED and not key.startswith(("+", "-", ":")):
            raise Invalid(f"The option {key[:20]} is not for channels here: leave it out.")


def _check_host(plugin: Any, scheme: str) -> None:
    """Refuse at once what could never be sent to. A name without an address is a typing error."""
    if scheme not in HOSTED and scheme not in MAIL:
        return
    host, is_tls = host_of(plugin), is_encrypted(plugin)
    try:
        targets.check(host, int(plugin.port or 443), is_tls=is_tls, timeout=5)
    except targets.NoAnswer as problem:
        raise Invalid(str(problem)) from problem
    except targets.TargetRefused as problem:
        if "https://" not in str(problem):
            raise
        raise Invalid(
            f"{scheme}:// goes there unencrypted; write {scheme}s://. Unencrypted is only for targets "
            "that are named in WATCHFLOOR_PRIVATE_TARGETS."
        ) from problem


def host_of(plugin: Any) -> str:
    return str(getattr(plugin, "smtp_host", "") or plugin.host or "").lower()


def is_encrypted(plugin: Any) -> bool:
    mode = getattr(plugin, "secure_mode", None)
    if mode is not None:  # mail
        return str(getattr(mode, "value", mode)) != "insecure"
    return bool(plugin.secure) or type(plugin).__name__ == "NotifyWorkflows"


def _shown(plugin: Any, scheme: str) -> str:
    if scheme not in HOSTED and scheme not in MAIL:
        return f"{scheme}://…"
    host = host_of(plugin)
    return f"{scheme}://{f'[{host}]' if ':' in host else host}{f':{plugin.port}' if plugin.port else ''}/…"[
        :300
    ]


# -- the house's own mail ---------------------------------------------------------------------------


def check_mail_of(person: Person) -> None:
    """Raises Invalid where no mail could reach this person."""
    if not settings.WATCHFLOOR_MAIL:
        raise Invalid(
            "This house has no mail server: its operator names one in WATCHFLOOR_MAIL_URL."
        )
    if not person.email:
        raise Invalid(f"{person} has no e-mail address.")


def mail_address(person: Person) -> str:
    """The Apprise address by which the house's mail server writes to a person."""
    check_mail_of(person)
    mail = settings.WATCHFLOOR_MAIL
    login = (
        f"{quote(mail['user'], safe='')}:{quote(mail['password'], safe='')}@"
        if mail["user"]
        else ""
    )
    scheme = "mailto" if mail["mode"] == "insecure" else "mailtos"
    mode = "" if mail["mode"] == "insecure" else f"&mode={mail['mode']}"
    return (
        f"{scheme}://{login}{mail['host']}:{mail['port']}/"
        f"?smtp={mail['host']}&from={quote(mail['from'], safe='')}&to={quote(person.email, safe='')}{mode}"
    )
