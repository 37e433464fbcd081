"""The names people know for those whom the record knows by id.

The record depends on nobody: who can tell names (people, agents) registers here when their app is ready.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

tellers: dict[str, Callable[[list[str]], dict[str, str]]] = {}
"""By the first part of a record name (`person`): given ids, the names of those that are known."""


def names_of(record_names: Iterable[str]) -> dict[str, str]:
    """`{"person:…": "ada"}`, in one query for each noun; who is unknown is left out."""
    by_noun: dict[str, set[str]] = defaultdict(set)
    for name in record_names:
        noun, _, key = name.partition(":")
        if noun in tellers and key:
            by_noun[noun].add(key)
    return {
        f"{noun}:{key}": name
        for noun, keys in by_noun.items()
        for key, name in tellers[noun](sorted(keys)).items()
    }


def signed(record_name: str) -> str:
    """`person:ada` for `person:…`, as other columns keep who it was; who is unknown stays as they are."""
    name = names_of([record_name]).get(record_name)
    return f"{record_name.partition(':')[0]}:{name}" if name else record_name
