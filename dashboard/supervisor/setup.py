"""Brings the database and the static files up to date, and knows when there is nothing to do.

A Django process takes a second to find out that nothing has changed; comparing a fingerprint takes
a few milliseconds, and the second start of the day is the common one.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from dashboard.embedded.runtime import PROJECT


def fingerprint(project: Path = PROJECT) -> str:
    """Of all that migrations and static files come from: the packages, our migrations, our static files."""
    seen = sha256()
    sources = [
        project / "uv.lock",
        *sorted(project.glob("*/migrations/*.py")),
        *sorted(path for path in (project / "static").rglob("*") if path.is_file()),
    ]
    for path in sources:
        seen.update(
            str(path.relative_to(project)).encode() + b"\0" + sha256(path.read_bytes()).digest()
        )
    return seen.hexdigest()


def main() -> None:
    """Migrate and collect; run in a process of its own, because it loads all of Django."""
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0, interactive=False)
    call_command("collectstatic", verbosity=0, interactive=False, clear=True)


if __name__ == "__main__":
    main()
