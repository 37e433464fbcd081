"""Percentiles, and what a figure was measured on."""

from __future__ import annotations

import os
import platform
import sysconfig
from collections.abc import Sequence


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of them lie, rounded to 2 places."""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 2)


def machine() -> str:
    """Cores, processor family and Python, enough to read figures by.

    An interpreter that was built plainly, as pyenv does, is a third slower than the ones that distributions and uv bring.
    """
    built = sysconfig.get_config_var("CONFIG_ARGS") or ""
    plain = "" if "--enable-optimizations" in built else " (built without optimizations)"
    return (
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}{plain}"
    )
