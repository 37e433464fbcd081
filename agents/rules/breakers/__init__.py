"""Breakers: pure judgement over what an agent did. `conditions` judge, `fold` counts, `loops` finds circles."""

from .conditions import CONDITIONS, Verdict
from .fold import JUDGING, WATCHING, Tripped, Watch, opening, shadowed
from .gauges import Gauge, malformed_of, shown
from .words import amount, counted, plain, rounded, span

__all__ = [
    "CONDITIONS",
    "JUDGING",
    "WATCHING",
    "Gauge",
    "Tripped",
    "Verdict",
    "Watch",
    "amount",
    "counted",
    "malformed_of",
    "opening",
    "plain",
    "rounded",
    "shadowed",
    "shown",
    "span",
]
