"""What a tool takes, as people's form needs it."""

from __future__ import annotations

import dataclasses
import enum
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal, TypedDict

import pytest
from langchain_core.tools import tool
from pydantic import BaseModel

from watchfloor import schema_of
from watchfloor.schemas import schemas_of


class Line(TypedDict, total=False):
    sku: str


class Speed(enum.Enum):
    SLOW = "slow"


@dataclasses.dataclass
class Address:
    city: str
    zip: str = ""


class Money(BaseModel):
    amount: int


def refund(
    order: Annotated[str, "The order's number", {"x": 1}],
    amount: Decimal,
    lines: list[Line],
    to: Address | None = None,
    speed: Speed = Speed.SLOW,
    how: Literal["card", "cash"] = "card",
    *rest: int,
    on: date | None = None,
    notes: dict[str, int] | None = None,
) -> str:
    """Give money
    back.

    Never twice."""
    return order


def test_a_functions_signature_becomes_a_schema() -> None:
    schema = schema_of(refund)

    assert schema["description"] == "Give money back."
    assert schema["required"] == ["order", "amount", "lines"]
    assert schema["additionalProperties"] is False
    assert schema["properties"] == {
        "order": {"type": "string", "description": "The order's number"},
        "amount": {"type": "string", "pattern": r"^-?\d+(\.\d+)?$"},
        "lines": {
            "type": "array",
            "items": {"type": "object", "properties": {"sku": {"type": "string"}}, "required": []},
        },
        "to": {
            "anyOf": [
                {
                    "type": "object",
                    "properties": {"city": {"type": "string"}, "zip": {"type": "string"}},
                    "required": ["city"],
                },
                {"type": "null"},
            ]
        },
        "speed": {"enum": ["slow"], "default": "slow"},
        "how": {"enum": ["card", "cash"], "default": "card"},
        "on": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]},
        "notes": {
            "anyOf": [
                {"type": "object", "additionalProperties": {"type": "integer"}},
                {"type": "null"},
            ]
        },
    }


def test_what_is_not_known_allows_anything() -> None:
    def free(anything, more: Any = None, **rest: Any) -> None: ...  # type: ignore[no-untyped-def]

    schema = schema_of(free)

    assert schema["properties"] == {"anything": {}, "more": {}}
    assert schema["additionalProperties"] is True


def test_a_langchain_tool_and_a_model_know_their_own() -> None:
    @tool
    def pay(amount: int, to: str = "acme") -> str:
        """Pay money."""
        return to

    schema = schema_of(pay)

    assert schema["properties"]["amount"]["type"] == "integer"
    assert schema["required"] == ["amount"]
    assert schema["description"] == "Pay money."
    assert schema_of(Money)["properties"]["amount"]["type"] == "integer"
    assert schemas_of({"pay": pay, "raw": {"type": "object"}})["raw"] == {"type": "object"}


def test_what_has_no_schema_is_told() -> None:
    with pytest.raises(TypeError, match="no function"):
        schema_of(7)
