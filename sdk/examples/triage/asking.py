"""Asking the model about one message: gated, retried, re-prompted, and replaced by keywords when it fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

from watchfloor import Backoff, Run, Unparseable, Usage

from .categories import OTHER, by_keywords
from .messages import Message
from .model import Model, ModelFailed
from .verdict import Completion, Question, Verdict, parse

READS = 10
"""How often the model may ask to see one message again before a person sees it instead."""

PROMPTS, RETRIES = 2, 1
"""At most four requests a reading: a breaker allows five tries of one item a minute."""

_BRIEFLY = Backoff(first=0.2, most=2.0, jitter=0.2)


class Asker:
    """One model and what people told it, for one run.

    Each request is an action of its own, `classify` with the message as its subject, and is asked for before it is
    made: a paused agent makes none, and one message read again and again trips the breaker.
    """

    def __init__(self, run: Run, model: Model, instructions: Callable[[], tuple[str, ...]]) -> None:
        self._run = run
        self._model = model
        self._instructions = instructions

    def ask(self, message: Message, *, read: int, tries: int) -> Verdict | None:
        """What the model makes of the message, or None when it failed."""
        attempt = 0

        def complete(complaint: str | None, *, text: str) -> dict[str, Any]:
            nonlocal attempt
            attempt += 1
            asked = replace(message, text=text)
            question = Question(asked, self._instructions(), attempt, complaint or "")
            return asdict(self._model.complete(question))

        try:
            verdict = self._run.parse(
                complete,
                _verdict,
                tool="classify",
                kind="model",
                arguments={"text": message.text[:4000]},
                subject=message.subject_name,
                step_id=f"classify:{message.id}#{tries}.{read}",
                attempts=PROMPTS,
                retries=RETRIES,
                backoff=_BRIEFLY,
                usage=_usage,
                reason=f"Reading {read} of this message." if read > 1 else None,
            )
        except (TimeoutError, ModelFailed, Unparseable):
            return None
        assert isinstance(verdict, Verdict)
        return verdict

    def by_keywords(self, message: Message, *, tries: int) -> Verdict:
        """The fallback. Nobody is asked; it is reported as an observation."""
        found = self._run.step(
            "classify.keywords",
            lambda text: {"category": by_keywords(text), "model": "keywords"},
            arguments={"text": message.text[:4000]},
            subject=message.subject_name,
            step_id=f"keywords:{message.id}#{tries}",
            gated=False,
        )
        category = found["category"]
        return Verdict(
            move="classify",
            category=category or OTHER,
            confidence=0.7 if category else 0.0,
            summary=f"The model failed; by its words it is about {category or 'nothing known'}.",
            by="keywords",
        )


def _verdict(raw: Mapping[str, Any]) -> Verdict:
    return parse(Completion(**raw))


def _usage(raw: Mapping[str, Any]) -> Usage:
    """The stand-in costs nothing and says so; what an endpoint charges is not known here."""
    return Usage(raw["input_tokens"], raw["output_tokens"], model=raw["model"])
