"""All settings, from the environment, safe when nothing is set. CONTRIBUTING.md lists the variables."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.utils.csp import CSP
from psycopg import ProgrammingError

from dashboard import addresses, logs, owning
from dashboard.embedded.runtime import data_folder, lay, private_file, running_floor
from dashboard.pool import check_is_open

BASE_DIR = Path(__file__).resolve().parent.parent
DATA = data_folder()
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_floor = running_floor(DATA)
"""Where this machine's floor is, and its embedded servers: a command in another terminal finds them, too."""


def _flag(name: str) -> bool:
    return os.environ.get(name, "").lower() in {"1", "true", "yes", "on"}


def _words(name: str, default: str) -> list[str]:
    return [word.strip() for word in os.environ.get(name, default).split(",") if word.strip()]


def _number(name: str, default: float) -> float:
    try:
        number = float(os.environ.get(name) or default)
    except ValueError:
        number = -1
    if not 0 <= number < 1_000_000:  # which NaN is not, either
        raise ImproperlyConfigured(f"{name} must be a number, 0 or more.")
    return number


def _whole(name: str, default: int) -> int:
    number = _number(name, default)
    if not number.is_integer():
        raise ImproperlyConfigured(f"{name} must be a whole number.")
    return int(number)


def _level(name: str, default: str) -> str:
    level = (os.environ.get(name) or default).upper()
    if level not in _LEVELS:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(_LEVELS)}.")
    return level


def _address_of(name: str, default: str, *, like: str, schemes: set[str]) -> str:
    """Never shown when it is wrong: it may hold a password."""
    address = os.environ.get(name) or default
    try:
        parts = urlsplit(address)
        parts.port  # noqa: B018  read, to see whether it is one
        is_whole = parts.scheme in schemes and (parts.hostname or parts.scheme == "unix")
    except ValueError:
        is_whole = False
    if not is_whole:
        raise ImproperlyConfigured(f"{name} must look like {like}.")
    return address


def _read[T](name: str, read: Callable[[], T]) -> T:
    try:
        return read()
    except (ValueError, ProgrammingError) as error:
        plain = isinstance(error, ValueError) and name in str(error)
        sentence = str(error) if plain else f"{name} is not an address that can be read."
        raise ImproperlyConfigured(sentence) from None


def _secret_key() -> str:
    """The given one, else one made on the first start and kept: people stay signed in over a restart."""
    if given := os.environ.get("WATCHFLOOR_SECRET_KEY"):
        return given
    kept = DATA / "secret-key"
    if not kept.exists():
        lay(DATA)
        private_file(kept, secrets.token_urlsafe(50))
    return kept.read_text().strip()


# -- who may reach us, under which address ---------------------------------------------------------

DEBUG = _flag("WATCHFLOOR_DEBUG")
SECRET_KEY = _secret_key()
SECRET_KEY_FALLBACKS = _words("WATCHFLOOR_SECRET_KEY_FALLBACKS", "")
"""Former ones: what they signed and sealed is still read."""
WATCHFLOOR_URL = _address_of(
    "WATCHFLOOR_URL",
    _floor.get("WATCHFLOOR_URL", "http://127.0.0.1:8000"),
    like="https://watch.example.org",
    schemes={"http", "https"},
).rstrip("/")
"""Where people and agents find us; links in notices start with it."""
WATCHFLOOR_PRIVATE_TARGETS = _words("WATCHFLOOR_PRIVATE_TARGETS", "")
"""Networks and host names that are not public and webhooks may go to, nevertheless, also over plain http."""
WATCHFLOOR_MAIL = _read(
    "WATCHFLOOR_MAIL_URL", lambda: addresses.mail(os.environ.get("WATCHFLOOR_MAIL_URL", ""))
)
"""The mail server that writes to people at their own address; empty: nobody is written to."""
WATCHFLOOR_FORWARD_TRACES = os.environ.get("WATCHFLOOR_FORWARD_TRACES", "")
"""Where spans that came in are sent on to: the whole address of another OTLP/HTTP back end."""
WATCHFLOOR_FORWARD_TRACES_HEADERS = os.environ.get("WATCHFLOOR_FORWARD_TRACES_HEADERS", "")
"""`name=value,…` for it, as OTEL_EXPORTER_OTLP_HEADERS is written."""
WATCHFLOOR_INGEST_PROCESSES = _whole("WATCHFLOOR_INGEST_PROCESSES", 2)
"""Child processes of a web process that read and store spans; 0: it does so itself."""
WATCHFLOOR_TRACE_URL = os.environ.get("WATCHFLOOR_TRACE_URL", "")
"""Where people see a trace: an address with `{trace_id}` in it."""
WATCHFLOOR_LOG_ORIGIN = os.environ.get("WATCHFLOOR_LOG_ORIGIN", "")
"""What the log is called when it begins, and ever after; empty: our host and `/record`."""
WATCHFLOOR_LOG_PUBLIC = _flag("WATCHFLOOR_LOG_PUBLIC")
"""Whether strangers may read the log's key and its newest checkpoint at /.well-known/watchfloor-log."""
WATCHFLOOR_ANCHOR_FILE = os.environ.get("WATCHFLOOR_ANCHOR_FILE", "")
"""A file, better on another machine's disk, that every anchored checkpoint is added to; empty: none."""
WATCHFLOOR_WITNESSES = os.environ.get("WATCHFLOOR_WITNESSES", "")
"""Who cosigns checkpoints (C2SP tlog-witness): `verifier-key https://…`, separated by commas."""
WATCHFLOOR_ANCHOR_EVERY = timedelta(seconds=_number("WATCHFLOOR_ANCHOR_SECONDS", 60))
"""How soon a new checkpoint goes to the file and to witnesses, at the latest."""
WATCHFLOOR_ANCHOR_TOLD_EVERY = timedelta(minutes=_number("WATCHFLOOR_ANCHOR_WEBHOOK_MINUTES", 10))
"""How soon webhooks that listen to `checkpoint.published` are told of one."""
WATCHFLOOR_ANCHOR_OLD = timedelta(minutes=_number("WATCHFLOOR_ANCHOR_OLD_MINUTES", 30))
"""From when on an entry that no anchor has kept is a reason for an alarm."""
_address = urlsplit(WATCHFLOOR_URL)
_https = _address.scheme == "https"

ALLOWED_HOSTS = _words("WATCHFLOOR_HOSTS", "localhost,127.0.0.1,[::1]")
if (
    _address.hostname
    and _address.hostname not in ALLOWED_HOSTS
    and "WATCHFLOOR_HOSTS" not in os.environ
):
    ALLOWED_HOSTS.append(_address.hostname)
CSRF_TRUSTED_ORIGINS = _words("WATCHFLOOR_ORIGINS", f"{_address.scheme}://{_address.netloc}")
CSRF_FAILURE_VIEW = "dashboard.views.session.too_old"

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _https
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if _https else 0
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SECURE_CSP = {
    "default-src": [CSP.NONE],
    "script-src": [CSP.SELF],
    "style-src": [CSP.SELF],
    "img-src": [CSP.SELF],
    "font-src": [CSP.SELF],
    "connect-src": [CSP.SELF],  # includes the websocket of the same origin
    "manifest-src": [CSP.SELF],
    "form-action": [CSP.SELF],
    "frame-ancestors": [CSP.NONE],
    "base-uri": [CSP.NONE],
}

# -- the parts -------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "people",
    "audit",
    "agents",
    "reviews",
    "dashboard",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "allauth",
    "allauth.account",
    "django_htmx",
    "channels",
    "pgtrigger",
    "ninja",
]

# Every line is paid by every click of an operator. Static files, agents' hot calls and sockets never come here.
MIDDLEWARE = [
    "dashboard.middleware.Source",  # where it comes from, in every entry; and who was refused what
    "django.middleware.security.SecurityMiddleware",  # HSTS, nosniff, referrer, opener policy
    "django.middleware.csp.ContentSecurityPolicyMiddleware",  # second wall behind escaping
    # Before whatever may refuse a request: pages that refuse are pages, too, and show who is there.
    "django.contrib.sessions.middleware.SessionMiddleware",
    "dashboard.sessions.PersonMiddleware",  # who is it: session and person in one query
    "dashboard.middleware.TimeZone",  # times in the zone of whoever looks
    "django.middleware.common.CommonMiddleware",  # a typed address without its final slash still works
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",  # for what does not read frame-ancestors
    "allauth.account.middleware.AccountMiddleware",  # allauth does not start without it
    "django_htmx.middleware.HtmxMiddleware",  # request.htmx: answer with a part of the page
]

ROOT_URLCONF = "dashboard.urls"
ASGI_APPLICATION = "dashboard.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "dashboard.context.room",  # navigation and its counts; asks only for what a page shows
            ],
        },
    }
]

# -- truth: PostgreSQL; hints: Redis ---------------------------------------------------------------

_roles = _read("DATABASE_URL", lambda: owning.roles(os.environ, _floor))
DATABASES: dict[str, dict[str, Any]] = {
    "default": _read("DATABASE_URL", lambda: addresses.database(_roles.url))
}
WATCHFLOOR_APPLICATION_ROLE = _roles.application
"""Who runs Watchfloor in the database, when that is not who owns its tables: migrating grants it what it needs."""
DATABASES["default"]["OPTIONS"].update(
    prepare_threshold=2,
    server_side_binding=True,  # without it psycopg writes values into the text, and no statement repeats
)
# Django gives its connection back after every request, so only a pool keeps some open.
if _most := _whole("WATCHFLOOR_DB_POOL", 12):
    DATABASES["default"]["OPTIONS"]["pool"] = {
        "min_size": min(2, _most),
        "max_size": _most,
        "timeout": 5,
        "check": check_is_open,
    }

SITE_THREADS = _most or 4
"""Requests for pages that are worked on at once, in one process."""

REDIS_URL = _address_of(
    "REDIS_URL",
    _floor.get("REDIS_URL", "redis://localhost:6379/0"),
    like="redis://user:password@host:6379/0",
    schemes={"redis", "rediss", "unix"},
)
WATCHFLOOR_BELL = os.environ.get("WATCHFLOOR_BELL", "watchfloor")
"""First part of every name used in Redis, so that several floors (and tests) can share one."""

# Only sign-in attempts are counted here. In PostgreSQL, because a lost Redis must neither lock people out nor
# let someone guess without limit.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "dashboard_cache",
    },
}

# -- work in the background ------------------------------------------------------------------------

CELERY_BROKER_URL = os.environ.get("CELERY_BROKER_URL") or addresses.broker(REDIS_URL)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = (
    {
        "visibility_timeout": 300,  # a task of a killed worker runs again after this; the default is an hour
        "global_keyprefix": f"{WATCHFLOOR_BELL}:",
        "socket_connect_timeout": 2,
    }
    if "redis" in urlsplit(CELERY_BROKER_URL).scheme
    else {}
)
CELERY_TASK_ALWAYS_EAGER = False
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True  # twice is harmless, never is not
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_PUBLISH_RETRY = (
    False  # a request does not wait for Redis: a sweep finds what was not sent
)
CELERY_TASK_SERIALIZER = CELERY_RESULT_SERIALIZER = CELERY_EVENT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = (
    "celery.beat:Scheduler"  # the schedule is this file: nothing to keep on disk
)
CELERY_BEAT_SCHEDULE = {
    # Sent every two seconds and worthless after two: a worker that was away finds one, not a thousand.
    "agents": {"task": "agents.tasks.sweep", "schedule": 2.0, "options": {"expires": 2}},
    "reviews": {"task": "reviews.tasks.sweep", "schedule": 2.0, "options": {"expires": 2}},
    "outbox": {"task": "audit.tasks.send", "schedule": 1.0, "options": {"expires": 1}},
    "alerts": {"task": "reviews.tasks.notify", "schedule": 1.0, "options": {"expires": 1}},
    "alerts-old": {"task": "reviews.tasks.forget", "schedule": 600.0, "options": {"expires": 300}},
    "alerts-due": {"task": "reviews.tasks.watch", "schedule": 5.0, "options": {"expires": 5}},
    "log-check": {"task": "audit.tasks.check", "schedule": 600.0, "options": {"expires": 300}},
    "log": {"task": "audit.tasks.sequence", "schedule": 1.0, "options": {"expires": 1}},
    "anchors": {"task": "audit.tasks.anchor", "schedule": 5.0, "options": {"expires": 5}},
    "evidence": {
        "task": "audit.evidence.tasks.make_exports",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "retention": {"task": "audit.tasks.expire", "schedule": 3600.0, "options": {"expires": 1800}},
    "outbox-old": {
        "task": "audit.tasks.forget",
        "schedule": 600.0,
        "options": {"expires": 300},
    },
    "sessions": {
        "task": "dashboard.tasks.forget_sessions",
        "schedule": 3600.0,
        "options": {"expires": 600},
    },
}

# -- people ----------------------------------------------------------------------------------------

AUTH_USER_MODEL = "people.Person"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.ScryptPasswordHasher"]

SESSION_ENGINE = "dashboard.sessions"
SESSION_COOKIE_NAME = "watchfloor_session"
SESSION_COOKIE_AGE = 14 * 24 * 3600
LOGIN_URL = "/sign-in/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/sign-in/"

WATCHFLOOR_TELLS_SETTINGS = True
"""A server that starts compares its settings with the last that the record tells of."""
WATCHFLOOR_FLEET_SHARE = _number("WATCHFLOOR_FLEET_SHARE", 50) / 100
WATCHFLOOR_STEP_UP = timedelta(minutes=_number("WATCHFLOOR_STEP_UP_MINUTES", 10))
"""How long a sign-in counts as fresh, where a policy demands one."""
WATCHFLOOR_RESERVATION = timedelta(minutes=_number("WATCHFLOOR_RESERVATION_MINUTES", 15))
"""How long what an allowed action reserved waits for it to begin."""

ACCOUNT_ADAPTER = "dashboard.sign_in.Adapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = "name"
ACCOUNT_USER_MODEL_EMAIL_FIELD = "email"
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_PRESERVE_USERNAME_CASING = True
ACCOUNT_PREVENT_ENUMERATION = True

# -- files, time, words ----------------------------------------------------------------------------

STATIC_URL = "/static/"
STATIC_ROOT = DATA / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_FROM_SOURCE = DEBUG
"""Serve files from where they are edited, under their plain names; else collected ones, named by their hash."""
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if STATIC_FROM_SOURCE
        else "dashboard.static.HashedStorage"
    },
}

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
USE_I18N = True

LOGGING = logs.config(json=_flag("WATCHFLOOR_LOG_JSON"), level=_level("WATCHFLOOR_LOG", "WARNING"))
LOGGING_CONFIG = "logging.config.dictConfig"
