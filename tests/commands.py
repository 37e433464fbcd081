"""`manage.py` as a process, several commands one after another: to start Django takes longer than most of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping

from dashboard.embedded.runtime import PROJECT

SEVERAL = """
import contextlib, io, json, shlex, sys
from django.core.management import execute_from_command_line

told = []
for command in sys.argv[1:]:
    code, said = 0, io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            execute_from_command_line(["manage.py", *shlex.split(command)])
        except SystemExit as end:
            code = int(end.code or 0)
    told.append((code, said.getvalue()))
json.dump(told, sys.stdout)
"""


def manage(environment: Mapping[str, str], *commands: str) -> list[tuple[int, str]]:
    """Each command's exit code, and what it said."""
    done = subprocess.run(
        [sys.executable, "-c", SEVERAL, *commands],
        cwd=PROJECT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [(code, said) for code, said in json.loads(done.stdout)]
