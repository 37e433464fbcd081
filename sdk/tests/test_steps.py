from __future__ import annotations

from watchfloor.steps import StepIds


def names(ids: StepIds, *queries: str) -> list[str]:
    return [ids.take("search", None, {"q": q}) for q in queries]


def test_names_do_not_depend_on_the_order_of_different_steps() -> None:
    assert sorted(names(StepIds(), "a", "b", "a")) == sorted(names(StepIds(), "b", "a", "a"))


def test_the_same_step_twice_gets_two_names() -> None:
    first, second = names(StepIds(), "a", "a")

    assert first != second


def test_an_interrupted_step_gets_its_name_again() -> None:
    ids = StepIds()
    first, second = names(ids, "a", "a")

    ids.give_back(first)

    assert names(ids, "a", "a")[0] == first
    assert second not in names(ids, "a")
