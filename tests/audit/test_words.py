"""Words of entries: cut alike for what is kept and for what is looked for, found by an index of their own."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.db import connection

from audit import text, words
from audit.models import Entry, Leaf, Line, Payload, Text

ID = "0199f3c2-7d1e-7abc-8def-0123456789ab"


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("Refund-42 to Ä", ["refund", "42", "to", "ä"]),
        ("refund_issue.now", ["refund", "issue", "now"]),
        (f"hold:{ID.upper()}!", ["hold", ID]),
        ("12e5 -7 'x' \\ \x00", ["12e5", "7", "x"]),
        ("ﬁne ＷＩＤＥ", ["fine", "wide"]),
        ("‮﻿ ", []),
        ("w" * 100, ["w" * 60]),
    ],
)
def test_words_are_runs_of_letters_and_digits_and_whole_ids(given: str, found: list[str]) -> None:
    assert words.words(given) == found


@pytest.mark.parametrize(
    ("typed", "query"),
    [
        ("refund", "(('refund':*))"),
        ("to", "(('to'))"),
        ("refund ada", "(('refund':*) & ('ada':*))"),
        ('"a b"', "(('a' <-> 'b'))"),
        ('"a b', "(('a' <-> 'b'))"),
        ("refund -ada", "(('refund':*) & !('ada':*))"),
        ("refund or ada", "(('refund':*)) | (('ada':*))"),
        ("-ada", ""),
        ("!!! & | ' \\", ""),
        ("", ""),
    ],
)
def test_what_is_typed_becomes_a_query(typed: str, query: str) -> None:
    assert words.query(typed) == query


def test_a_name_also_means_whom_it_names() -> None:
    assert words.query("Ada", lambda name: [f"={name}'s"]) == "(('ada':* | '=ada''s'))"


def test_all_that_can_be_read_in_json_is_text() -> None:
    assert words.text_of({"a": [1, 2.5, {"b": "c"}], "d": None, "e": True}) == "a 1 2.5 b c d e"


@pytest.mark.django_db
@pytest.mark.parametrize("hostile", ["'", "\\", "'':*", "a' | 'b", "=team:x", "\U0001f600" * 99])
def test_nothing_that_is_written_or_typed_breaks_the_database(hostile: str) -> None:
    vector = words.vector(hostile * 500, [words.fact("kind", hostile)])
    asked = words.facts_query([words.fact("kind", hostile)])
    typed = words.query(f"needle {hostile}")

    with connection.cursor() as cursor:
        cursor.execute("select %s::tsvector @@ %s::tsquery", [vector, asked])
        assert cursor.fetchone() == (True,)
        cursor.execute("select %s::tsvector @@ %s::tsquery", [vector, typed])
        assert cursor.fetchone() == (False,)


# -- the index -------------------------------------------------------------------------------------


def written(summary: str, kind: str = "action.allowed", **fields: str) -> Entry:
    """An entry with its place in the tree."""
    entry = Entry.objects.create(
        kind=kind, actor="clock", about=f"agents.action:{uuid4()}", summary=summary, **fields
    )
    size = Leaf.objects.count()
    Leaf.objects.create(index=size, line=entry.pk, data="", hash=b"")
    return entry


@pytest.mark.django_db
def test_an_entry_is_found_by_its_words_ids_and_facts_once_it_has_a_place() -> None:
    first = written("Refund of 80 USD for mail 8841", team="t1")
    second = written("Nothing of interest", team="t2")
    assert text.behind() >= 2

    text.index_all()

    def found(typed: str, *facts: str) -> list[int]:
        query = words.query(typed)
        narrowed = words.facts_query([f]) if (f := "".join(facts)) else ""
        return list(text.search(" & ".join(filter(None, [f"({query})", narrowed]))))

    assert found("refund") == found("REFU") == found('"80 usd"') == [first.pk]
    assert found('"usd 80"') == []
    assert found("of") == [second.pk, first.pk]
    assert found("of", "=team:t2") == [second.pk]
    assert found("of -refund") == [second.pk]
    assert found(first.about.partition(":")[2]) == found(first.about[-8:]) == [first.pk]
    assert list(text.search(words.query("of"), about=second.about)) == [second.pk]
    assert list(text.search(words.query("of"), before=second.pk)) == [first.pk]
    assert list(text.search(words.query("of"), since=second.pk)) == [second.pk]


@pytest.mark.django_db
def test_a_search_goes_on_behind_the_newest_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "NEWEST", 3)
    made = [written(f"needle {n}") for n in range(8)]
    text.index_all()

    assert list(text.search(words.query("needle"), size=7)) == [e.pk for e in reversed(made[1:])]


@pytest.mark.django_db
def test_reading_twice_changes_nothing() -> None:
    written("one")
    text.index_all()
    before = Text.objects.count()

    assert text.index_text() == 0
    assert Text.objects.count() == before


@pytest.mark.django_db
def test_words_go_with_their_payload_and_do_not_come_back() -> None:
    gone, early = written("the secret word"), written("the other word")
    early_line = Line.objects.get(pk=early.pk)
    with connection.cursor() as cursor:
        cursor.execute("set local session_replication_role = origin")
        cursor.execute("alter table audit_payload disable trigger user")
        cursor.execute("alter table audit_payload enable trigger words_go_too")
        cursor.execute("alter table audit_payload enable trigger words_wait")
    Payload.objects.filter(id=early_line.pk).delete()  # before anybody read it
    text.index_all()

    Payload.objects.filter(id=gone.pk).delete()

    assert list(text.search(words.query("word"))) == []
    assert not Text.objects.filter(line=gone.pk).exists()
