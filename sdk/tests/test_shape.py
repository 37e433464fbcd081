from __future__ import annotations

from typing import Any

import pytest

from watchfloor.shape import Shape


def tool(a: int, /, b: int = 2, *rest: int, c: int = 3, **more: Any) -> tuple[Any, ...]:
    return (a, b, rest, c, more)


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [((1,), {}), ((1, 5), {"c": 6}), ((1, 2, 8, 9), {"x": 0}), ((1,), {"b": 4, "y": 1})],
)
def test_named_arguments_call_the_function_as_before(
    args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    shape = Shape(tool)

    assert shape.caller()(**shape.named(args, kwargs)) == tool(*args, **kwargs)


def test_an_edit_that_the_function_does_not_take_is_an_error() -> None:
    with pytest.raises(TypeError, match="takes no amount"):
        Shape(lambda order: order).caller()(amount=1)
