"""A compiled condition as a tree, read from the form in which the library serialises it.

The library shows no tree, but it writes `cel.expr.CheckedExpr` (cel-spec, proto/cel/expr/checked.proto
and syntax.proto), and of that only the few fields below are needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

EXPRESSION = 4
CONST, IDENT, SELECT, CALL, LIST, STRUCT, LOOP = 3, 4, 5, 6, 7, 8, 9
CONST_STRING = 6
OVER, BODY = 2, (5, 6, 7)
"""Of a loop: what it goes over, and what is done for each item (condition, step, result)."""


@dataclass(frozen=True, slots=True)
class Node:
    """One expression. `kind`: const, ident, select, call, list, struct or loop.

    `name` is the identifier, field, function or message; of a constant text, that text. `parts` are
    the operands; of a loop, first what it goes over, then its body, whose variable is `name`.
    """

    kind: str
    name: str = ""
    parts: tuple[Node, ...] = ()
    is_text: bool = False

    def walk(self) -> Iterator[Node]:
        yield self
        for part in self.parts:
            yield from part.walk()

    @property
    def path(self) -> tuple[str, ...] | None:
        """`("args", "order", "total")` for `args.order.total` or `args["order"].total`."""
        if self.kind == "ident":
            return (self.name,)
        if self.kind == "select" and (before := self.parts[0].path):
            return (*before, self.name)
        if self.kind == "call" and self.name == "_[_]" and self.parts[1].is_text:
            before = self.parts[0].path
            return (*before, self.parts[1].name) if before else None
        return None

    def mentions(self, *names: str) -> bool:
        return any(node.kind == "ident" and node.name in names for node in self.walk())


@dataclass(slots=True)
class Fields:
    """The fields of one protobuf message, by number, in their order."""

    found: dict[int, list[bytes]] = field(default_factory=dict)

    def one(self, number: int) -> bytes:
        return self.found.get(number, [b""])[-1]

    def text(self, number: int) -> str:
        return self.one(number).decode("utf-8", "replace")


def tree(serialised: bytes) -> Node:
    """The tree of `Expression.serialize()`: a `google.protobuf.Any` around the checked expression."""
    return expression(fields(fields(serialised).one(2)).one(EXPRESSION))


def expression(data: bytes) -> Node:
    """One `cel.expr.Expr`."""
    found = fields(data)
    for kind in (CONST, IDENT, SELECT, CALL, LIST, STRUCT, LOOP):
        if kind in found.found:
            return READERS[kind](fields(found.one(kind)))
    return Node("const")


def const(found: Fields) -> Node:
    is_text = CONST_STRING in found.found
    return Node("const", found.text(CONST_STRING) if is_text else "", is_text=is_text)


def ident(found: Fields) -> Node:
    return Node("ident", found.text(1))


def select(found: Fields) -> Node:
    return Node("select", found.text(2), (expression(found.one(1)),))


def call(found: Fields) -> Node:
    target = (expression(found.one(1)),) if 1 in found.found else ()
    return Node("call", found.text(2), target + all_of(found, 3))


def of_list(found: Fields) -> Node:
    return Node("list", parts=all_of(found, 1))


def struct(found: Fields) -> Node:
    """A map or message: its keys and values."""
    entries = [fields(entry) for entry in found.found.get(2, [])]
    parts = [expression(entry.one(n)) for entry in entries for n in (3, 4) if n in entry.found]
    return Node("struct", found.text(1), tuple(parts))


def loop(found: Fields) -> Node:
    parts = (expression(found.one(OVER)), *(expression(found.one(n)) for n in BODY))
    return Node("loop", found.text(1), parts)


READERS = {
    CONST: const,
    IDENT: ident,
    SELECT: select,
    CALL: call,
    LIST: of_list,
    STRUCT: struct,
    LOOP: loop,
}


def all_of(found: Fields, number: int) -> tuple[Node, ...]:
    return tuple(expression(part) for part in found.found.get(number, []))


def fields(data: bytes) -> Fields:
    """Split a message into its fields (protobuf encoding: tag, then a value by its wire type)."""
    result = Fields()
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        kind = tag & 7
        if kind == 0:
            start = at
            _, at = varint(data, at)
        elif kind == 2:
            size, start = varint(data, at)
            at = start + size
        else:
            start, at = at, at + (8 if kind == 1 else 4)
        result.found.setdefault(tag >> 3, []).append(data[start:at])
    return result


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at
