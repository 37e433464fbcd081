"""Forms from a tool's JSON Schema: what is shown, what is read back, and that nothing changes by itself."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from audit.errors import Invalid
from dashboard.pages.form import ABSENT, Form, Group, Input, build, name_of
from dashboard.pages.typed import read, retyped, value_of

ORDER = {
    "type": "object",
    "required": ["symbol", "quantity"],
    "properties": {
        "symbol": {"type": "string", "title": "Ticker", "description": "As the exchange has it"},
        "quantity": {"type": "integer", "minimum": 1, "maximum": 5000},
        "limit": {"type": "number", "exclusiveMinimum": 0},
        "side": {"enum": ["buy", "sell"]},
        "urgent": {"type": "boolean", "default": False},
        "day": {"type": "string", "format": "date"},
        "at": {"type": "string", "format": "date-time"},
        "mail": {"type": "string", "format": "email"},
        "page": {"type": "string", "format": "uri"},
        "why": {"type": "string", "maxLength": 2000},
        "tags": {"type": "array", "items": {"type": "string"}},
        "lots": {"type": "array", "items": {"type": "integer"}},
        "account": {
            "type": "object",
            "required": ["name"],
            "properties": {"name": {"type": "string"}, "deep": {"type": "object"}},
        },
        "pairs": {"type": "array", "items": {"type": "object"}},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        "venue": {"$ref": "#/$defs/Venue"},
    },
    "$defs": {"Venue": {"type": "string", "enum": ["XETRA", "NYSE"], "title": "Where"}},
}
ACCOUNTS = {
    "type": "object",
    "properties": {"to": {"type": "object", "properties": {"name": {"type": "string"}}}},
}
GIVEN: dict[str, Any] = {
    "symbol": "ACME",
    "quantity": 1200,
    "limit": 1.0,
    "side": "sell",
    "urgent": True,
    "day": "2026-11-21",
    "at": "2026-11-21T10:00:00+02:00",
    "mail": "ada@example.org",
    "page": "https://example.org/x",
    "why": "Too much of it",
    "tags": ["a", "b c"],
    "lots": [1, 200],
    "account": {"name": "main", "deep": {"x": [1]}},
    "pairs": [{"a": 1}],
    "note": None,
    "venue": "NYSE",
}


def one(form: Form, *path: str) -> Input:
    return next(i for i in form.inputs if i.path == path)


def choice(value: Any) -> str:
    """What a form sends for a choice."""
    found = one(
        build({"c": value}, {"type": "object", "properties": {"c": {"enum": [value]}}}), "c"
    )
    return found.text


def sent(form: Form) -> dict[str, str]:
    """What a browser sends when nobody touched anything."""
    return {i.name: as_browsers_do(i) for i in form.inputs if i.kind != "fixed"}


def as_browsers_do(one: Input) -> str:
    if one.options:
        return one.text
    if one.kind == "moment":
        return one.text.removesuffix(":00") if one.text.count(":") == 2 else one.text
    return one.text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")


def change(schema: Any, given: dict[str, Any], path: tuple[str, ...], text: str) -> dict[str, Any]:
    form = build(given, schema)
    result, wrong = read(form, given, sent(form) | {name_of(path): text})
    assert not wrong, wrong
    return result


# -- showing -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "kind", "text"),
    [
        (("symbol",), "line", "ACME"),
        (("quantity",), "integer", "1200"),
        (("limit",), "number", "1.0"),
        (("side",), "choice", choice("sell")),
        (("urgent",), "boolean", "true"),
        (("day",), "date", "2026-11-21"),
        (("at",), "moment", "2026-11-21T10:00:00"),
        (("mail",), "email", "ada@example.org"),
        (("page",), "address", "https://example.org/x"),
        (("why",), "text", "Too much of it"),
        (("tags",), "list", "a\nb c"),
        (("lots",), "list", "1\n200"),
        (("account", "name"), "line", "main"),
        (("account", "deep"), "json", '{\n  "x": [\n    1\n  ]\n}'),
        (("pairs",), "json", '[\n  {\n    "a": 1\n  }\n]'),
        (("note",), "line", ""),
        (("venue",), "choice", choice("NYSE")),
    ],
)
def test_each_kind_of_value_has_its_input(path: tuple[str, ...], kind: str, text: str) -> None:
    found = one(build(GIVEN, ORDER), *path)

    assert (found.kind, found.text) == (kind, text)


def test_titles_help_and_limits_are_told() -> None:
    form = build(GIVEN, ORDER)

    assert one(form, "symbol").shape.title == "Ticker"
    assert one(form, "symbol").shape.help == "As the exchange has it."
    assert one(form, "quantity").shape.help == "At least 1, at most 5000."
    assert one(form, "quantity").limits == ("1", "5000")
    assert one(form, "urgent").shape.help == "Left out, it is no."
    assert one(form, "at").note == "At UTC+02:00."
    assert one(form, "symbol").required
    assert not one(form, "limit").required


def test_what_the_agent_left_out_is_offered_and_not_filled_in() -> None:
    form = build({"symbol": "ACME"}, ORDER)
    result, wrong = read(form, {"symbol": "ACME"}, sent(form))

    assert [part.path for part in form.given] == [("symbol",), ("quantity",)]
    assert ("urgent",) in [part.path for part in form.more]
    assert (result, wrong) == ({"symbol": "ACME"}, {})


def test_an_object_is_a_fieldset_one_level_deep() -> None:
    (account,) = (p for p in build(GIVEN, ORDER).parts if isinstance(p, Group))

    assert [i.path for i in account.inputs] == [("account", "name"), ("account", "deep")]


@pytest.mark.parametrize("value", ["80", None, True, 1.5, [1], {"a": 1}, 2**60])
def test_a_value_of_another_type_than_the_tool_asks_for_is_shown_as_it_is(value: Any) -> None:
    found = one(build({"quantity": value}, ORDER), "quantity")

    assert found.kind == "json"
    assert json.loads(found.text) == value


@pytest.mark.parametrize("value", ["2026-02-31", "2026-1-1", "soon", "0000-01-01", ""])
def test_a_date_that_is_none_is_no_date_input(value: str) -> None:
    assert one(build({"day": value}, ORDER), "day").kind == "line"


def test_limits_that_the_agents_own_value_breaks_do_not_keep_a_person_from_sending() -> None:
    assert one(build({"quantity": 9000}, ORDER), "quantity").limits == ("", "")


def test_without_a_schema_inputs_follow_the_json_types() -> None:
    form = build({"n": 1, "b": True, "s": "x", "t": "a\nb", "l": [1], "o": {"a": 1}, "z": None})

    assert [i.kind for i in form.inputs] == [
        *("number", "boolean", "line", "text", "json", "json", "json")
    ]


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$ref": "https://evil.example/schema"},
        {"type": "object", "properties": {"a": {"$ref": "#/properties/a"}}},
        {"type": "object", "properties": {"a": {"type": "array", "items": {"$ref": "#"}}}},
        {"type": "object", "properties": {"a": {"$ref": "#"}}},
        {"type": ["object", 5], "properties": 5, "required": {"a": 1}},
        {"type": "object", "properties": {"a": {"type": {}, "enum": {}, "title": 5}}},
        {"type": "object", "properties": {"a": {"anyOf": [5, None], "minimum": "x"}}},
        {"type": "object", "properties": {f"k{n}": {"$ref": "#"} for n in range(1000)}},
        [],
        "text",
        {"allOf": [{"$ref": "#"}]},
    ],
)
def test_a_schema_that_is_nonsense_still_gives_a_form(schema: Any) -> None:
    form = build({"a": 1}, schema)

    assert read(form, {"a": 1}, sent(form)) == ({"a": 1}, {})
    assert len(list(form.inputs)) <= 200


# -- reading -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "text", "value"),
    [
        (("symbol",), "BETA", "BETA"),
        (("symbol",), "", ""),
        (("quantity",), " 900 ", 900),
        (("limit",), "60.25", 60.25),
        (("limit",), "", ABSENT),
        (("side",), choice("buy"), "buy"),
        (("side",), "", ABSENT),
        (("urgent",), "false", False),
        (("day",), "2026-12-01", "2026-12-01"),
        (("at",), "2026-11-21T12:30", "2026-11-21T12:30:00+02:00"),
        (("why",), "a\r\nb", "a\nb"),
        (("tags",), "one\r\n\r\n two ", ["one", "two"]),
        (("tags",), "", []),
        (("lots",), "5\r\n7", [5, 7]),
        (("pairs",), "[]", []),
        (("note",), "now", "now"),
        (("venue",), choice("XETRA"), "XETRA"),
    ],
)
def test_what_is_typed_gets_its_json_type(path: tuple[str, ...], text: str, value: Any) -> None:
    result = change(ORDER, GIVEN, path, text)

    expected = {k: v for k, v in (GIVEN | {path[0]: value}).items() if v is not ABSENT}
    assert json.dumps(result) == json.dumps(expected)


def test_a_value_in_an_object_is_changed_in_it() -> None:
    assert change(ORDER, GIVEN, ("account", "name"), "other")["account"] == {
        "name": "other",
        "deep": {"x": [1]},
    }
    assert GIVEN["account"]["name"] == "main"


def test_an_object_that_was_not_there_is_made_of_what_is_typed() -> None:
    assert change(ORDER, {}, ("account", "name"), "main") == {"account": {"name": "main"}}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("quantity",), "1,200"),
        (("quantity",), "9" * 40),
        (("quantity",), ""),
        (("limit",), "NaN"),
        (("side",), "7"),
        (("lots",), "1\nx"),
        (("pairs",), "[1"),
        (("at",), "tomorrow"),
    ],
)
def test_what_cannot_be_meant_is_a_sentence_beside_its_field(
    path: tuple[str, ...], text: str
) -> None:
    form = build(GIVEN, ORDER)
    typed = sent(form) | {name_of(path): text}

    _, wrong = read(form, GIVEN, typed)
    again = retyped(form, typed, wrong)

    assert list(wrong) == [".".join(path)]
    assert f"“{path[-1]}”" in one(again, *path).error
    assert one(again, *path).shown == text
    assert not again.rest


@pytest.mark.parametrize(
    ("path", "text", "at"),
    [
        ("quantity", "6000 is greater than the maximum of 5000", ("quantity",)),
        ("account.name", "1 is not of type “string”", ("account", "name")),
        ("pairs.0.a", "it is too small", ("pairs",)),
        ("symbol", "This is missing", ("symbol",)),
    ],
)
def test_a_mistake_finds_its_field(path: str, text: str, at: tuple[str, ...]) -> None:
    form = retyped(build(GIVEN, ORDER), {}, {path: text})

    assert one(form, *at).error == f"{text}."
    assert not form.rest


def test_a_mistake_of_the_whole_stands_above_all() -> None:
    form = retyped(build({}, ORDER), {}, {"arguments": "too many", "odd.path": "is odd"})

    assert form.rest == ("too many.", "odd.path: is odd.")


def test_a_field_that_is_touched_is_not_hidden_among_those_left_out() -> None:
    form = build({"symbol": "A"}, ORDER)

    assert not form.more_is_open
    assert retyped(form, {name_of(("limit",)): "5"}, {}).more_is_open


def test_what_fits_no_field_any_more_is_never_dropped() -> None:
    before = build({"to": {"name": "x"}}, ACCOUNTS)
    typed = sent(before) | {name_of(("to", "name")): "y"}

    _, wrong = read(build({"to": {"name": "x"}}), {"to": {"name": "x"}}, typed)

    assert "Open this page again" in wrong["arguments"]


def test_a_choice_means_the_same_after_the_schema_was_sorted_anew() -> None:
    typed = {name_of(("side",)): choice("sell")}
    other = {"type": "object", "properties": {"side": {"enum": ["hold", "buy", "sell"]}}}

    assert read(build({"side": "buy"}, other), {"side": "buy"}, typed)[0] == {"side": "sell"}


# -- nothing changes by itself -----------------------------------------------------------------------

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=80)
PLAIN = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
    | st.sampled_from(["2026-11-21", "2026-11-21T10:00:00Z", "a@b.org", "http://a.b/", "a\r\nb"])
)
JSON = st.recursive(
    PLAIN, lambda v: st.lists(v, max_size=4) | st.dictionaries(TEXT, v, max_size=4), max_leaves=8
)
KEYS = st.sampled_from(["a", "b", "c.d", "ü", "", "'\"<"])
LEAF = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(
            [
                "string",
                "number",
                "integer",
                "boolean",
                "null",
                "array",
                "object",
                ["string", "null"],
            ]
        ),
        "format": st.sampled_from(["date", "date-time", "email", "uri", "other"]),
        "enum": st.lists(PLAIN, max_size=3),
        "minimum": st.integers(-5, 5),
        "maxLength": st.integers(0, 300),
        "items": st.fixed_dictionaries(
            {}, optional={"type": st.sampled_from(["string", "integer", "number", "object"])}
        ),
        "anyOf": st.lists(st.sampled_from([{"type": "null"}, {"type": "string"}]), max_size=2),
        "const": PLAIN,
        "default": PLAIN,
        "title": TEXT,
        "description": TEXT,
        "properties": st.dictionaries(KEYS, st.just({"type": "integer"}), max_size=2),
    },
)
SCHEMA = st.fixed_dictionaries(
    {"type": st.just("object"), "properties": st.dictionaries(KEYS, LEAF, max_size=4)},
    optional={"required": st.lists(KEYS, max_size=3)},
)


@given(st.dictionaries(KEYS, JSON, max_size=5), SCHEMA | st.none() | JSON)
@example({"a": 1}, {"type": "object", "properties": {"a": {"enum": [1.0]}}})
@example({"a": True}, {"type": "object", "properties": {"a": {"enum": [1]}}})
@example({"a": "  "}, {"type": "object", "properties": {"a": {"type": "array"}}})
def test_a_form_nobody_touched_gives_back_the_very_same(
    arguments: dict[str, Any], schema: Any
) -> None:
    form = build(arguments, schema)

    result, wrong = read(form, arguments, sent(form))

    assert wrong == {}
    assert json.dumps(result) == json.dumps(arguments)


@given(st.dictionaries(KEYS, JSON, min_size=1, max_size=4), SCHEMA, TEXT)
def test_whatever_is_typed_is_a_value_or_a_sentence(
    arguments: dict[str, Any], schema: Any, text: str
) -> None:
    for found in build(arguments, schema).inputs:
        try:
            value = value_of(found, text)
        except Invalid:
            continue
        assert value is ABSENT or json.loads(json.dumps(value)) == value
