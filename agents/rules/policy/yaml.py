"""Policies as YAML: one for the editor, several for a file. What is loaded and dumped again stays as it is."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable
from typing import Any, NamedTuple, Self

import yaml

from audit.errors import Invalid

from .document import POLICY_KEYS, known_keys, line, listed, mapping, parse
from .sections import SECTIONS

LONGEST = 4 * 1024 * 1024
FILE_KEYS = ("policies",)
OWNER_KEYS = ("team", "agent")
PLAIN = [
    f"tag:yaml.org,2002:{kind}" for kind in ("map", "seq", "str", "int", "float", "bool", "null")
]


class Written(NamedTuple):
    """One policy of a file: whose it is (agent empty: its team's), and its document."""

    team: str
    agent: str
    document: dict[str, Any]

    @property
    def owner(self) -> str:
        return f"{self.team}/{self.agent}" if self.agent else self.team

    @classmethod
    def read(cls, entry: Any, number: int) -> Self:
        """Check one entry but its conditions. Raises Invalid."""
        place = f"Policy {number}"
        found = mapping(entry, place)
        known_keys(found, (*OWNER_KEYS, *POLICY_KEYS, *SECTIONS), place)
        if "team" not in found:
            raise Invalid(f"{place} does not say whose it is; it needs a team.")
        team = line(found["team"], f"{place}: team", longest=80)
        agent = line(found["agent"], f"{place}: agent", longest=80) if "agent" in found else ""
        written = cls(team, agent, {})
        try:
            document = document_of({k: found[k] for k in found if k not in OWNER_KEYS}, agent)
        except Invalid as error:
            raise Invalid(f"Policy of {written.owner}: {error.detail}") from None
        return written._replace(document=document)


def load(text: str) -> tuple[Written, ...]:
    """The policies of a file. Raises Invalid."""
    found = mapping(plain(text), "The file")
    known_keys(found, FILE_KEYS, "The file")
    entries = listed(found.get("policies", []), "policies")
    policies = tuple(Written.read(entry, number) for number, entry in enumerate(entries, 1))
    seen: set[str] = set()
    for policy in policies:
        if policy.owner in seen:
            raise Invalid(f"The policy of {policy.owner} stands in the file twice.")
        seen.add(policy.owner)
    return policies


def load_one(text: str, *, of_agent: bool) -> dict[str, Any]:
    """The document of one policy, as the editor has it. Raises Invalid."""
    found = plain(text)
    return document_of({} if found is None else found, "its agent" if of_agent else "")


def document_of(written: Any, agent: str) -> dict[str, Any]:
    """In the one form in which documents are kept: an agent's has tools, a team's has none."""
    owned = written
    if agent and isinstance(written, dict) and "tools" not in written:
        owned = {**written, "tools": []}  # so that its sections are read as an agent's
    document = parse(owned)
    if owned is not written:
        raise Invalid(
            "It does not say which tools the agent may use: tools: [] for none, "
            'tools: ["*"] for any.'
        )
    if not agent and document.tools is not None:
        raise Invalid("tools belongs to the policy of an agent; this one holds for a whole team.")
    return document.as_dict()


def dump(policies: Iterable[Written]) -> str:
    """As text; keys always in the same order, which PostgreSQL does not keep."""
    entries = [
        {
            "team": p.team,
            **({"agent": p.agent} if p.agent else {}),
            **short(parse(p.document).as_dict()),
        }
        for p in policies
    ]
    return text_of({"policies": entries})


def dump_one(document: dict[str, Any]) -> str:
    """As text. What another release saved and this one cannot read is shown as it is, to be mended."""
    try:
        return text_of(short(parse(document).as_dict()))
    except Invalid:
        return text_of(document)


class Line(dict[str, Any]):
    """Written on one line where it fits."""


def short(document: dict[str, Any]) -> dict[str, Any]:
    """Rules are read one field a line, settings one setting a line."""
    return {
        key: [Line(one) for one in value] if key in SECTIONS else value
        for key, value in document.items()
    }


def text_of(value: Any) -> str:
    return yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=100, indent=2)


def plain(text: str) -> Any:
    """YAML as dicts, lists and scalars: no tags, no references, no key twice. Raises Invalid."""
    if len(text) > LONGEST:
        raise Invalid(f"The text is longer than {LONGEST // 1024 // 1024} MB.")
    loader: Loader | None = None
    try:
        loader = Loader(text)
        return loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        raise Invalid(f"This is no YAML{place_of(error)}: {error.problem}.") from None
    except yaml.reader.ReaderError:
        raise Invalid(
            "This is no YAML: it contains a character that YAML does not allow."
        ) from None
    except RecursionError:
        raise Invalid("This is nested too deeply.") from None
    except (ValueError, TypeError):  # what a tag says and the value is not
        raise Invalid("This is no YAML: a number or a key in it cannot be read.") from None
    finally:
        if loader is not None:
            loader.dispose()


def place_of(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    return f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""


class Loader(yaml.SafeLoader):
    """Only what JSON has, too. `yes`, `on` and dates are text, as people mean them."""

    yaml_constructors = {tag: yaml.SafeLoader.yaml_constructors[tag] for tag in (*PLAIN, None)}
    yaml_implicit_resolvers = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(
                problem="references (*name) are not read; write it out",
                problem_mark=event.start_mark,
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key “{key.value[:80]}” stands there twice",
                    problem_mark=key.start_mark,
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


for _kind, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?[0-9]+\.[0-9]*(?:[eE][-+]?[0-9]+)?", "-+0123456789"),
):
    Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_kind}", re.compile(rf"^(?:{_pattern})$"), list(_first)
    )


class Dumper(yaml.SafeDumper):
    """Short lists on one line, long texts as they were typed."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def of_list(dumper: Dumper, values: list[Any]) -> yaml.Node:
    short = all(isinstance(value, str) for value in values)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=short)


def of_text(dumper: Dumper, value: str) -> yaml.Node:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


def of_line(dumper: Dumper, value: Line) -> yaml.Node:
    return dumper.represent_mapping("tag:yaml.org,2002:map", value.items(), flow_style=True)


Dumper.add_representer(list, of_list)
Dumper.add_representer(Line, of_line)
Dumper.add_representer(str, of_text)
