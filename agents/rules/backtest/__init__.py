"""Backtests: what a breaker or a budget would have done to what agents really did. Pure: no clock, no I/O."""

from .better import Better, Lived, better
from .budgets import TriedBudget, replay_budget
from .clock import CLOCKED, by_the_clock
from .past import Began, Done, Moment, Stopped, moments
from .replay import Answered, Point, Replay, Replayed, Tried, WouldTrip

__all__ = [
    "CLOCKED",
    "Answered",
    "Began",
    "Better",
    "Done",
    "Lived",
    "Moment",
    "Point",
    "Replay",
    "Replayed",
    "Stopped",
    "Tried",
    "TriedBudget",
    "WouldTrip",
    "better",
    "by_the_clock",
    "moments",
    "replay_budget",
]
