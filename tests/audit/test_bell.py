"""What is rung in a transaction goes out together once it has committed, and never what was rolled back."""

from __future__ import annotations

import pytest
from django.db import transaction
from pytest_django import DjangoCaptureOnCommitCallbacks

from audit.bell import ring


@transaction.atomic
def rung_and_undone() -> None:
    ring("undone")
    raise ValueError("no")


def topics(hooks: list[object]) -> list[list[str]]:
    return [list(hook.topics) for hook in hooks]  # type: ignore[attr-defined]


def test_a_transaction_rings_once(
    db: None, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks() as hooks:
        ring("action.1", "holds")
        ring("holds", "agents")

    assert topics(list(hooks)) == [["action.1", "holds", "agents"]]


@pytest.mark.parametrize("before", [[], ["before"]])
def test_what_was_rolled_back_is_not_rung_and_takes_nothing_with_it(
    before: list[str],
    db: None,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks() as hooks:
        if before:
            ring(*before)
        with pytest.raises(ValueError, match="no"):
            rung_and_undone()
        ring("after")

    assert topics(list(hooks)) == [[*before, "after"]]
