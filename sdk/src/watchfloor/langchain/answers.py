"""What became of a request → what its graph is told. Pure."""

from __future__ import annotations

import json

from watchfloor.errors import Answered, Asked, Cancelled, Denied, Expired, Refused, Rejected
from watchfloor.langchain.shapes import KINDS, Answer, Wanted
from watchfloor.models import Action

REMEMBERED = "This was answered before; the same call will be answered the same. Do not repeat it."


def yes(action: Action) -> Answer:
    """An approval, as a person left it."""
    if action.is_edited:
        return Answer("edit", action.message or "", dict(action.arguments))
    return Answer("approve", action.message or "")


def no(refused: Refused) -> Answer:
    """A refusal in words for the model."""
    kind = "respond" if isinstance(refused, Answered) else "reject"
    return Answer(kind, told(refused))  # type: ignore[arg-type]


def told(refused: Refused) -> str:
    """What a model should read of a refusal."""
    words = refused.message
    tool = refused.action.tool if refused.action else "the tool"
    if isinstance(refused, Asked):
        return (
            f"The reviewer asks: {words}\n"
            f"Answer in words, and call {tool} again in the same message if it should still be done."
        )
    if isinstance(refused, Rejected) and refused.remembered:
        return f"{words}\n{REMEMBERED}"
    if isinstance(refused, Denied):
        return f"Not allowed: {refused.reason or refused.code}"
    if isinstance(refused, Expired):
        return words or "Nobody decided in time. It was not done."
    if isinstance(refused, Cancelled):
        return f"The request was withdrawn. {words}".strip()
    return words


def done_before(action: Action) -> Answer:
    """Somebody else carried it out, or a person found that it happened."""
    result = "" if action.result is None else f" Result: {json.dumps(action.result)[:2000]}"
    return Answer("respond", f"This very call was carried out already, once.{result}")


def reason(call: Wanted, words: str) -> str:
    """Why, for the person: the model's own words, the description, and what can be answered."""
    limits = [kind for kind in KINDS if kind not in call.allowed]
    note = f"Its graph does not take: {', '.join(limits)}." if limits else ""
    return "\n\n".join(each for each in (words.strip(), call.description, note) if each)[:4000]
