"""A stand-in for a language model: no model at all, and it says so.

It sorts by the same table of words as the fallback. What it imitates is how models *fail*, so that
everything around a model can be seen at work offline: it times out, breaks its JSON, cannot choose between
two answers, or insists on reading the same message again. The seed and the message decide which, so
the same run fails the same way twice.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from enum import Enum, unique

from .categories import OTHER, scores
from .verdict import Completion, Question

NAME = "stand-in"

_WANTS_MONEY_BACK = re.compile(
    r"\brefund\w*|money back|charged? (me )?(twice|double)|reimburs\w*|chargeback|reembols\w+|devol\w+",
    re.IGNORECASE,
)
_INSULT = re.compile(
    r"\b(idiots?|morons?|scum|go to hell|burn in hell|drop dead|i will (hurt|find) you)\b",
    re.IGNORECASE,
)


@unique
class Mood(Enum):
    """How the stand-in treats one message. The numbers are shares of a thousand messages."""

    TIMES_OUT_ONCE = 15
    TIMES_OUT = 8
    BREAKS_JSON_ONCE = 20
    BREAKS_JSON = 9
    CANNOT_CHOOSE = 25
    LOOPS = 0
    ANSWERS = 923


@dataclass(frozen=True)
class StandIn:
    """Answers by keywords, fails as models do. `loop_on` names the messages it will not let go of."""

    seed: int = 77
    loop_on: frozenset[str] = frozenset()
    name: str = NAME

    def complete(self, question: Question) -> Completion:
        mood = self.mood(question.message.id)
        first = question.attempt == 1
        if mood is Mood.TIMES_OUT or (mood is Mood.TIMES_OUT_ONCE and first):
            raise TimeoutError(f"{NAME} imitates a model that did not answer in time")
        text = json.dumps(self._answer(question, mood), ensure_ascii=False)
        if mood is Mood.BREAKS_JSON or (mood is Mood.BREAKS_JSON_ONCE and first):
            text = "Sure! Here is the JSON you asked for: " + text[:-7]
        asked = sum(len(part["content"]) for part in question.prompt())
        return Completion(text, NAME, input_tokens=asked // 4, output_tokens=len(text) // 4)

    def mood(self, message_id: str) -> Mood:
        if message_id in self.loop_on or message_id.rpartition(".")[2] in self.loop_on:
            return Mood.LOOPS
        drawn = hashlib.sha256(f"{self.seed}:{message_id}".encode()).digest()
        place = int.from_bytes(drawn[:4], "big") % 1000
        for mood in Mood:
            if place < mood.value:
                return mood
            place -= mood.value
        return Mood.ANSWERS

    def _answer(self, question: Question, mood: Mood) -> dict[str, object]:
        # A person's instruction is what ends a loop, in real models often enough, too.
        if mood is Mood.LOOPS and not question.instructions:
            return {"move": "reread", "summary": "I should read this message once more to be sure."}
        text = f"{question.message.subject}\n{question.message.text}"
        if _INSULT.search(text):
            return {"move": "refuse", "summary": "The message only insults."}
        ranked = scores(text)
        best = ranked[0] if ranked else (OTHER, 0.0)
        second = ranked[1] if len(ranked) > 1 else (OTHER, 0.0)
        confidence = _confidence(best[1], second[1])
        unsure = mood is Mood.CANNOT_CHOOSE or (best[1] > 0 and best[1] - second[1] < 0.3)
        return {
            "move": "classify",
            "category": best[0],
            "confidence": min(confidence, 0.48) if unsure else confidence,
            "also": [second[0]] if unsure and second[0] != OTHER else [],
            "refund": bool(_WANTS_MONEY_BACK.search(text)) and best[0] == "refund",
            "summary": f"About {best[0]}.",
        }


def _confidence(best: float, second: float) -> float:
    """How far the best stands out; one weak word is never enough."""
    if best < 1.2:
        return 0.3
    return round(min(0.99, 0.55 + 0.4 * (best - second) / best), 2)
