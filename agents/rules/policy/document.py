"""A policy as people write it, checked. What is refused is refused in a sentence that names the place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, cast

from audit.errors import Invalid

from . import durations
from .ruling import REMEMBERED, Answer, Requirement
from .sections import SECTIONS, Setting
from .sections import read as read_sections
from .words import nearest

MOST_RULES = 5_000
MOST_TOOLS = 1_000
MOST_VOTES = 20
MOST_DECIDERS = 100
LONGEST_NAME = 80
LONGEST_TOOL = 200
LONGEST_BECAUSE = 1_000

POLICY_KEYS = ("tools", "rules")
RULE_KEYS = ("name", "tools", "when", "then", "because", "shadow", "approval")
APPROVAL_KEYS = (
    *("queue", "votes", "groups", "people", "within", "working_time", "otherwise"),
    *("escalate_to", "valid_for", "remember", "step_up"),
)
ANSWERS = ("allow", "deny", "approve")
ANY = "*"


@dataclass(frozen=True, slots=True)
class Rule:
    name: str
    then: Answer
    tools: tuple[str, ...] = (ANY,)
    when: str = "true"
    because: str = ""
    shadow: bool = False
    approval: Requirement | None = None
    """With `approve`, always one."""

    def as_dict(self) -> dict[str, Any]:
        """With only the keys that say something, always in the same order."""
        written: dict[str, Any] = {"name": self.name}
        if self.tools != (ANY,):
            written["tools"] = list(self.tools)
        if self.when != "true":
            written["when"] = self.when
        written["then"] = self.then
        if self.because:
            written["because"] = self.because
        if self.shadow:
            written["shadow"] = True
        if self.approval and (approval := approval_as_dict(self.approval)):
            written["approval"] = approval
        return written


@dataclass(frozen=True, slots=True)
class Document:
    """A policy's tools (None: the policy has no such list, a team's), its rules in order, and what else it sets."""

    rules: tuple[Rule, ...] = field(default=())
    tools: tuple[str, ...] | None = None
    sections: Mapping[str, tuple[Setting, ...]] = field(default_factory=dict)
    """Breakers, budgets and the like, where the document says something of them (also: that there are none)."""

    def as_dict(self) -> dict[str, Any]:
        """The one form in which a document is kept: equal policies are equal dicts."""
        tools = {} if self.tools is None else {"tools": list(self.tools)}
        beside = {key: [one.as_dict() for one in found] for key, found in self.sections.items()}
        return {**tools, "rules": [rule.as_dict() for rule in self.rules], **beside}


def approval_as_dict(approval: Requirement) -> dict[str, Any]:
    usual = Requirement().as_dict()
    return {key: value for key, value in approval.as_dict().items() if value != usual[key]}


def parse(document: Any) -> Document:
    """Read a document and check everything but its conditions. Raises Invalid."""
    policy = mapping(document, "The policy")
    known_keys(policy, (*POLICY_KEYS, *SECTIONS), "The policy")
    rules = listed(policy.get("rules", []), "rules")
    if len(rules) > MOST_RULES:
        raise Invalid(f"The policy has {len(rules):,} rules; {MOST_RULES:,} are the most.")
    tools = None
    if "tools" in policy:
        tools = names(policy["tools"], "tools", most=MOST_TOOLS, longest=LONGEST_TOOL)
    parsed = tuple(parse_rule(rule, number) for number, rule in enumerate(rules, 1))
    unique(parsed)
    return Document(parsed, tools, read_sections(policy, of_agent=tools is not None))


def parse_rule(written: Any, number: int) -> Rule:
    place = f"Rule {number}"
    rule = mapping(written, place)
    if "name" not in rule:
        raise Invalid(f"{place} has no name.")
    name = line(rule["name"], f"{place}: name", longest=LONGEST_NAME)
    place = f"Rule “{name}”"
    known_keys(rule, RULE_KEYS, place)
    then = answer(rule.get("then"), place)
    if "approval" in rule and then != "approve":
        raise Invalid(f"{place}: approval goes only with “then: approve”, and this says {then}.")
    tools = names(
        rule.get("tools", [ANY]), f"{place}: tools", most=MOST_TOOLS, longest=LONGEST_TOOL
    )
    if not tools:
        raise Invalid(f"{place}: tools names none, so the rule would never match.")
    return Rule(
        name=name,
        then=then,
        tools=tools,
        when=condition(rule.get("when", "true"), place),
        because=text(rule.get("because", ""), f"{place}: because", longest=LONGEST_BECAUSE),
        shadow=yes_or_no(rule.get("shadow", False), f"{place}: shadow"),
        approval=parse_approval(rule.get("approval", {}), place) if then == "approve" else None,
    )


def parse_approval(written: Any, rule: str) -> Requirement:
    place = f"{rule}: approval"
    approval = mapping(written, place)
    known_keys(approval, APPROVAL_KEYS, place)
    otherwise = what_otherwise(approval.get("otherwise", "deny"), place)
    escalate_to = ""
    if "escalate_to" in approval:
        escalate_to = line(approval["escalate_to"], f"{place}.escalate_to", longest=LONGEST_NAME)
    if otherwise == "escalate" and not escalate_to:
        raise Invalid(f"{place}: “otherwise: escalate” needs escalate_to, the queue it goes to.")
    if escalate_to and otherwise != "escalate":
        raise Invalid(f"{place}: escalate_to goes only with “otherwise: escalate”.")
    queue = line(approval["queue"], f"{place}.queue", longest=80) if "queue" in approval else ""
    return Requirement(
        queue=queue,
        votes=votes(approval.get("votes", 1), f"{place}.votes"),
        groups=names(approval.get("groups", []), f"{place}.groups", most=MOST_DECIDERS),
        people=names(approval.get("people", []), f"{place}.people", most=MOST_DECIDERS),
        within=optional_duration(approval, "within", place),
        working_time=yes_or_no(approval.get("working_time", False), f"{place}.working_time"),
        otherwise=otherwise,
        escalate_to=escalate_to,
        valid_for=optional_duration(approval, "valid_for", place),
        remember=duration(approval["remember"], f"{place}.remember", least=0)
        if "remember" in approval
        else REMEMBERED,
        step_up=yes_or_no(approval.get("step_up", False), f"{place}.step_up"),
    )


def unique(rules: Iterable[Rule]) -> None:
    seen: set[str] = set()
    for rule in rules:
        if rule.name in seen:
            raise Invalid(f"Two rules are called “{rule.name}”; a name stands for one rule.")
        seen.add(rule.name)


def mapping(value: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise Invalid(f"{place} must be written as “key: value”, not as {said(value)}.")
    if wrong := next((key for key in value if not isinstance(key, str)), None):
        raise Invalid(f"{place}: the key {wrong!r} must be text.")
    return value


def known_keys(value: Mapping[str, Any], known: tuple[str, ...], place: str) -> None:
    for key in value:
        if key not in known:
            hint = nearest(key, known)
            meant = f"Did you mean “{hint}”?" if hint else f"It knows {', '.join(known)}."
            raise Invalid(f"{place} has no key “{key[:80]}”. {meant}")


def listed(value: Any, place: str) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise Invalid(f"{place} must be a list, not {said(value)}.")
    return list(value)


def names(value: Any, place: str, *, most: int, longest: int = LONGEST_NAME) -> tuple[str, ...]:
    """A list of different names in the order they were written."""
    found = [line(name, place, longest=longest) for name in listed(value, place)]
    if len(found) > most:
        raise Invalid(f"{place} has {len(found)} entries; {most} are the most.")
    if twice := next((name for name in found if found.count(name) > 1), None):
        raise Invalid(f"{place} names “{twice}” twice.")
    return tuple(found)


def text(value: Any, place: str, *, longest: int) -> str:
    if not isinstance(value, str):
        raise Invalid(f"{place} must be text, not {said(value)}; put it in quotes.")
    if len(value) > longest:
        raise Invalid(f"{place} has {len(value):,} characters; {longest:,} are the most.")
    storable(value, place)
    return value.strip()


def storable(value: str, place: str) -> None:
    """PostgreSQL keeps neither NUL nor half a character."""
    if "\0" in value:
        raise Invalid(f"{place} contains a NUL character.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Invalid(f"{place} is not valid Unicode.") from None


def line(value: Any, place: str, *, longest: int) -> str:
    """A name: not empty, on one line, without characters that cannot be seen."""
    name = text(value, place, longest=longest)
    if not name:
        raise Invalid(f"{place} is empty.")
    if not name.isprintable():
        raise Invalid(f"{place} contains a character that cannot be seen.")
    return name


def condition(value: Any, place: str) -> str:
    """CEL text; YAML reads an unquoted `true` as a yes."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        raise Invalid(f"{place}: when must be text, not {said(value)}; put it in quotes.")
    storable(value, f"{place}: when")
    if not value.strip():
        raise Invalid(f"{place}: when is empty; leave it out to match always.")
    return value.strip()


def answer(value: Any, place: str) -> Answer:
    if value is None:
        raise Invalid(f"{place} does not say what then: allow, deny or approve.")
    if not isinstance(value, str) or value not in ANSWERS:
        hint = nearest(str(value), ANSWERS)
        meant = f" Did you mean “{hint}”?" if hint else ""
        raise Invalid(
            f"{place}: then must be allow, deny or approve, not “{str(value)[:80]}”.{meant}"
        )
    return cast(Answer, value)


def what_otherwise(value: Any, place: str) -> Literal["deny", "escalate"]:
    if value in ("allow", "approve"):
        raise Invalid(
            f"{place}: otherwise can be deny or escalate; what nobody answered is never allowed."
        )
    if value not in ("deny", "escalate"):
        raise Invalid(f"{place}: otherwise must be deny or escalate, not “{str(value)[:80]}”.")
    return cast(Literal["deny", "escalate"], value)


def votes(value: Any, place: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise Invalid(f"{place} must be a whole number, not {said(value)}.")
    if not 1 <= value <= MOST_VOTES:
        raise Invalid(f"{place} must be from 1 to {MOST_VOTES}, not {str(value)[:40]}.")
    return value


def yes_or_no(value: Any, place: str) -> bool:
    if not isinstance(value, bool):
        raise Invalid(f"{place} must be true or false, not {said(value)}.")
    return value


def optional_duration(approval: Mapping[str, Any], key: str, place: str) -> timedelta | None:
    return duration(approval[key], f"{place}.{key}", least=1) if key in approval else None


def duration(value: Any, place: str, *, least: int) -> timedelta:
    found = durations.read(value) if isinstance(value, str) else None
    if found is None:
        raise Invalid(
            f"{place} must be a time such as 30s, 15m, 4h or 2d and at most 365d, "
            f"not “{str(value)[:80]}”."
        )
    if found.total_seconds() < least:
        raise Invalid(f"{place} must be longer than nothing.")
    return found


def said(value: Any) -> str:
    """What kind of thing was written instead."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return f"the number {str(value)[:40]}"
    if isinstance(value, str):
        return f"the text “{value[:80]}”"
    return "a list" if isinstance(value, list | tuple) else "a group of keys"
