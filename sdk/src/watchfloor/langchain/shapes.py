"""The three ways LangChain and LangGraph ask for a person, read and answered. Pure: imports neither.

batched    HumanInTheLoopMiddleware: `{action_requests, review_configs}` → `{decisions: […]}` by position
per_call   the same, newer: `{type: "tool_approval", …}`, one interrupt a call → one decision
inbox      Agent Inbox: `{action_request, config: {allow_…}}` → `[{type, args}]`
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from watchfloor.errors import WatchfloorError
from watchfloor.models import Json

Kind = Literal["approve", "edit", "reject", "respond"]
KINDS: tuple[Kind, ...] = ("approve", "edit", "reject", "respond")

INBOX: dict[str, Kind] = {
    "allow_accept": "approve",
    "allow_edit": "edit",
    "allow_respond": "respond",
    "allow_ignore": "reject",
}


class UnknownShape(WatchfloorError, ValueError):
    """An interrupt asks for approval, but not in words known here. Nobody is asked, nothing runs."""


class Unanswerable(WatchfloorError):
    """What the person said cannot be said to this interrupt, which stays open. Nothing runs."""


@dataclass(frozen=True)
class Wanted:
    """One tool call that waits for a person, and the answers its graph can take."""

    name: str
    arguments: dict[str, Any]
    allowed: tuple[Kind, ...] = KINDS
    description: str = ""
    tool_call_id: str | None = None


@dataclass(frozen=True)
class Answer:
    """What a person said to one call."""

    kind: Kind
    message: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    """With `edit`: what to call the tool with. Its name is never changed."""

    @property
    def runs(self) -> bool:
        return self.kind in ("approve", "edit")


@dataclass(frozen=True)
class Question:
    """One interrupt. `id` is LangGraph's; `words` the spelling it was asked in."""

    id: str
    shape: Literal["batched", "per_call", "inbox"]
    calls: tuple[Wanted, ...]
    words: Words

    def resume(self, answers: Iterable[Answer]) -> Json:
        """The value to resume this interrupt with: one answer for each call, in their order."""
        pairs = list(zip(self.calls, answers, strict=True))
        if self.shape == "inbox":
            return [_to_inbox(call, answer) for call, answer in pairs]
        decisions = [_to_decision(call, answer, self.words) for call, answer in pairs]
        return {"decisions": decisions} if self.shape == "batched" else decisions[0]


@dataclass(frozen=True)
class Words:
    """How names are written: JavaScript says `editedAction`, early builds said `arguments`."""

    camel: bool = False
    args: str = "args"

    @property
    def edited_action(self) -> str:
        return "editedAction" if self.camel else "edited_action"


def read(id: str, value: Any, response_schema: Any = None) -> Question | None:
    """The interrupt as a question about tool calls; None when it asks for something else.

    Raises UnknownShape where it does ask for approval, but allows what nobody knows.
    """
    if isinstance(value, Mapping) and _either(value, "action_requests") is not None:
        return _batched(id, value)
    if isinstance(value, Mapping) and value.get("type") == "tool_approval":
        return _per_call(id, value, response_schema)
    requests = value if isinstance(value, list | tuple) else [value]
    if requests and all(isinstance(r, Mapping) and _either(r, "action_request") for r in requests):
        return Question(id, "inbox", tuple(_from_inbox(r) for r in requests), Words())
    return None


def fitting(wanted: Answer, call: Wanted) -> Answer:
    """`wanted`, or the nearest thing that this call may be answered; never a yes for a no.

    Raises Unanswerable.
    """
    if wanted.kind in call.allowed:
        return wanted
    words = wanted.message
    if wanted.kind == "edit":
        words = (
            f"Not like this. The reviewer would allow it with {wanted.arguments!r}, but the arguments of this "
            f"call cannot be changed: call {call.name} again with exactly these. {words}"
        )
    elif wanted.kind == "approve":
        words = f"The reviewer agrees, but this call can only be answered in words. {words}"
    kinds: tuple[Kind, ...] = ("reject", "respond")
    for kind in kinds:
        if kind in call.allowed:
            return Answer(kind, words.strip())
    raise Unanswerable(
        f"{call.name} can only be answered by {', '.join(call.allowed)}; the reviewer said: {wanted.kind}"
    )


def _batched(id: str, value: Mapping[str, Any]) -> Question:
    requests = _either(value, "action_requests")
    configs = _either(value, "review_configs")
    if not isinstance(requests, list) or not requests or not isinstance(configs, list):
        raise UnknownShape("action_requests and review_configs must be lists of what is asked")
    calls = [_one_of_batch(r, n, configs, len(requests)) for n, r in enumerate(requests)]
    words = Words(
        camel="actionRequests" in value, args="args" if "args" in requests[0] else "arguments"
    )
    return Question(id, "batched", tuple(calls), words)


def _one_of_batch(request: Any, position: int, configs: list[Any], count: int) -> Wanted:
    name = _name(request)
    # One config a request, in the same order; older builds sent one a tool.
    here = configs[position] if len(configs) == count else None
    named = [c for c in configs if isinstance(c, Mapping) and _either(c, "action_name") == name]
    config = here if here in named else next(iter(named), None)
    if config is None:
        raise UnknownShape(f"no review_config says how {name} may be answered")
    allowed = _allowed(_either(config, "allowed_decisions"), name)
    return Wanted(name, _arguments(request), allowed, str(request.get("description") or ""))


def _per_call(id: str, value: Mapping[str, Any], schema: Any) -> Question:
    name = _name(value)
    given = _either(value, "allowed_decisions")
    if given is None and isinstance(schema, Mapping):
        given = _types(schema, schema)
    call = Wanted(
        name,
        _arguments(value),
        KINDS if given is None else _allowed(given, name),
        str(value.get("description") or ""),
        _either(value, "tool_call_id"),
    )
    words = Words(camel="toolCallId" in value, args="arguments" if "arguments" in value else "args")
    return Question(id, "per_call", (call,), words)


def _types(schema: Mapping[str, Any], root: Mapping[str, Any]) -> list[str]:
    """The `type`s that a one-of by `type` takes, from its JSON Schema."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return _types(root.get("$defs", {}).get(name, {}), root)
    branches = [*schema.get("oneOf", ()), *schema.get("anyOf", ())]
    if branches:
        return [each for branch in branches for each in _types(branch, root)]
    kind = schema.get("properties", {}).get("type", {})
    return [kind["const"]] if "const" in kind else list(kind.get("enum", ()))


def _from_inbox(request: Mapping[str, Any]) -> Wanted:
    action = _either(request, "action_request")
    config = request.get("config")
    name = action.get("action") if isinstance(action, Mapping) else None
    if not isinstance(name, str) or not isinstance(config, Mapping):
        raise UnknownShape("an Agent Inbox request has an action_request and a config")
    flags = {_snake(key): value for key, value in config.items()}
    if unknown := flags.keys() - INBOX.keys():
        raise UnknownShape(f"{name} says {', '.join(sorted(unknown))}, which nobody knows")
    allowed = tuple(kind for flag, kind in INBOX.items() if flags.get(flag))
    if not allowed:
        raise UnknownShape(f"{name} allows no answer at all")
    return Wanted(name, _arguments(action), allowed, str(request.get("description") or ""))


def _allowed(given: Any, name: str) -> tuple[Kind, ...]:
    """A misspelt decision must not become one that nobody meant to allow (langchain#38838)."""
    if not isinstance(given, list | tuple) or not given:
        raise UnknownShape(f"{name} allows no decision at all")
    if unknown := [each for each in given if each not in KINDS]:
        raise UnknownShape(f"{name} allows {', '.join(map(repr, unknown))}, which nobody knows")
    return tuple(kind for kind in KINDS if kind in given)


def _to_decision(call: Wanted, answer: Answer, words: Words) -> Json:
    if answer.kind == "edit":
        return {
            "type": "edit",
            words.edited_action: {"name": call.name, words.args: answer.arguments},
        }
    if answer.kind == "approve":
        return {"type": "approve"}
    return {"type": answer.kind, "message": answer.message}


def _to_inbox(call: Wanted, answer: Answer) -> Json:
    if answer.kind == "edit":
        return {"type": "edit", "args": {"action": call.name, "args": answer.arguments}}
    if answer.kind == "approve":
        return {"type": "accept", "args": None}
    # `ignore` cannot carry a word: a reason reaches the model only as a response.
    if answer.message and "respond" in call.allowed:
        return {"type": "response", "args": answer.message}
    return {"type": "ignore", "args": None}


def _name(request: Any) -> str:
    name = request.get("name") if isinstance(request, Mapping) else None
    if not isinstance(name, str) or not name:
        raise UnknownShape("a call that needs approval has no name")
    return name


def _arguments(request: Mapping[str, Any]) -> dict[str, Any]:
    given = request.get("args", request.get("arguments"))
    if not isinstance(given, Mapping):
        raise UnknownShape(f"the arguments of {request.get('name')} are no object")
    return dict(given)


def _either(value: Mapping[str, Any], name: str) -> Any:
    """By its name, or by JavaScript's."""
    head, *rest = name.split("_")
    return value.get(name, value.get(head + "".join(map(str.capitalize, rest))))


def _snake(name: str) -> str:
    return "".join(f"_{each.lower()}" if each.isupper() else each for each in name)
