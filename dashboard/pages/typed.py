"""What was typed into a form: arguments again, each error beside its field, nothing dropped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from audit.errors import Invalid

from .arguments import number, parse
from .form import ABSENT, TEXTS, Form, Group, Input, Json, Part, Path, is_moment, label, plain, when

LONGEST_SENTENCE = 300
OUTDATED = (
    "The tool describes its arguments differently by now. Open this page again before you edit."
)


def read(
    form: Form, arguments: Mapping[str, Json], posted: Mapping[str, str]
) -> tuple[dict[str, Json], dict[str, str]]:
    """The arguments as they were typed, and what cannot be meant: a sentence for each dotted path."""
    result = dict(arguments)
    wrong: dict[str, str] = {}
    names = {one.name for one in form.inputs}
    if any(name.startswith(f"{form.prefix}-") and name not in names for name in posted):
        # Never drop what somebody typed: the rest would be approved as if they had wanted it so.
        return result, {"arguments": OUTDATED}
    for one in form.inputs:
        if one.kind == "fixed" or one.name not in posted:
            continue
        try:
            value = value_of(one, posted[one.name])
        except Invalid as error:
            wrong[".".join(one.path)] = error.detail
            continue
        if value is not one.value:
            _put(result, one.path, value)
    return result, wrong


def _put(result: dict[str, Json], path: Path, value: Json) -> None:
    *way, key = path
    here = result
    for step in way:
        here[step] = dict(here[step]) if isinstance(here.get(step), dict) else {}
        here = here[step]
    if value is ABSENT:
        here.pop(key, None)
    else:
        here[key] = value


def value_of(one: Input, text: str) -> Json:
    """What an input's text means; the very value it was made of when nobody changed it. Raises Invalid."""
    text = plain(text)
    if text == plain(one.text) or (one.kind == "moment" and is_moment(text, one.text)):
        return one.value
    if one.options:
        chosen = next((option for option in one.options if option.key == text), None)
        if chosen is None:
            raise Invalid(f"“{one.key}” is none of its choices.")
        return chosen.value
    if not text.strip() and one.kind not in ("line", "text"):
        return _emptied(one)
    match one.kind:
        case "number" | "integer":
            return number(text.strip(), name=one.key)
        case "json":
            return parse(text, name=one.key)
        case "list":
            return [_item(one, line.strip()) for line in text.split("\n") if line.strip()]
        case "moment":
            return _written(one, text)
    return text


def _emptied(one: Input) -> Json:
    """What an input means that was emptied."""
    if one.kind == "list":
        return []
    if one.shape.nullable:
        return None
    if one.shape.kind and not one.required:
        return ABSENT
    if one.kind in ("date", "moment"):
        raise Invalid(f"“{one.key}” must be a date.")
    if one.kind in TEXTS:
        return ""
    if one.kind == "json":
        return parse("", name=one.key)
    return number("", name=one.key)


def _item(one: Input, line: str) -> Json:
    item = one.shape.item
    return line if item is None or item.kind == "line" else number(line, name=one.key)


def _written(one: Input, text: str) -> str:
    at = when(text.strip())
    if at is None or at.tzinfo is not None:
        raise Invalid(f"“{one.key}” must be a date and time such as 2026-01-31T10:00.")
    return f"{at:%Y-%m-%dT%H:%M:%S}{one.zone}"


# -- showing it again ------------------------------------------------------------------------------


def retyped(form: Form, posted: Mapping[str, str], wrong: Mapping[str, str]) -> Form:
    """The same form with what was typed in it, each error beside its field, and the others above all."""
    errors = {path: _sentence(text) for path, text in wrong.items()}
    taken: set[str] = set()

    def again(one: Input) -> Input:
        typed = plain(posted[one.name]) if one.name in posted else None
        mine = [path for path in errors if _belongs(one, path)]
        taken.update(mine)
        return replace(one, typed=typed, error=" ".join(errors[path] for path in mine))

    parts: list[Part] = [
        replace(part, inputs=tuple(again(one) for one in part.inputs))
        if isinstance(part, Group)
        else again(part)
        for part in form.parts
    ]
    rest = tuple(
        text if path == "arguments" else f"{label(path)}: {text}"
        for path, text in errors.items()
        if path not in taken
    )
    return replace(form, parts=tuple(parts), rest=rest)


def _belongs(one: Input, path: str) -> bool:
    """Whether a mistake at this dotted path is one of this input, or in it."""
    mine = ".".join(one.path)
    return path == mine or path.startswith(f"{mine}.")


def _sentence(text: str) -> str:
    text = text if len(text) <= LONGEST_SENTENCE else f"{text[:LONGEST_SENTENCE]}…"
    return text if text.endswith((".", "…", "!", "?")) else f"{text}."
