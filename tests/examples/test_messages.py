"""Reading customer messages from files."""

from __future__ import annotations

import mailbox
from email.message import EmailMessage
from pathlib import Path

import pytest
from triage.messages import UnreadableInput, read

SAMPLE = Path(__file__).resolve().parents[2] / "sdk" / "examples" / "triage" / "sample.jsonl"


def test_every_row_of_banking77_is_a_message_of_its_own(banking77: Path) -> None:
    messages = read(banking77)

    assert len(messages) == 3080
    assert len({message.id for message in messages}) == 3080
    assert messages[0].text == "How do I locate my card?"


def test_ids_are_the_same_on_every_reading(banking77: Path) -> None:
    assert [m.id for m in read(banking77)] == [m.id for m in read(banking77)]


def test_the_sample_has_its_own_ids_and_keeps_hostile_text_as_it_is() -> None:
    messages = {message.id: message for message in read(SAMPLE)}

    assert len(messages) >= 60
    assert "<script>" in messages["s-19"].text
    assert "\u202e" in messages["s-19"].text


@pytest.mark.parametrize("column", ["text", "Body", "MESSAGE", " content "])
def test_csv_columns_go_by_many_names(tmp_path: Path, column: str) -> None:
    path = tmp_path / "in.csv"
    path.write_text(f'{column},from\n"two\nlines",ann\n', encoding="utf-8-sig")

    [message] = read(path)

    assert (message.text, message.sender) == ("two\nlines", "ann")


def test_two_messages_that_say_the_same_are_two(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("text\nHello\nHello\n\n")

    first, second = read(path)

    assert first.id != second.id
    assert first.text == second.text


def test_csv_without_a_text_column_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("a,b\n1,2\n")

    with pytest.raises(UnreadableInput, match="no column is called"):
        read(path)


def test_bytes_that_are_not_utf8_do_not_lose_the_row(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(b"text\ncaf\xe9 payment\n")

    [message] = read(path)

    assert message.text.endswith("payment")


def test_jsonl_takes_objects_and_strings(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text('{"id": 7, "message": "one"}\n\n"two"\n{"other": 1}\n')

    messages = read(path)

    assert messages[0].id == "7"
    assert [m.text for m in messages] == ["one", "two"]


def test_jsonl_names_the_line_that_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text('"fine"\n{"text": \n')

    with pytest.raises(UnreadableInput, match="line 2"):
        read(path)


def test_other_files_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInput, match=r"\.csv, \.jsonl"):
        read(tmp_path / "in.docx")


def test_mail_with_several_parts_gives_its_plain_words(tmp_path: Path) -> None:
    mail = EmailMessage()
    mail["From"] = "Zoë <zoe@example.org>"
    mail["Subject"] = "Grüße"
    mail["Message-ID"] = "<1@example.org>"
    mail.set_content("Wo ist meine Karte?", charset="iso-8859-1")
    mail.add_alternative("<p>Wo ist <b>meine</b> Karte?</p>", subtype="html")
    mail.add_attachment(b"not words", maintype="application", subtype="pdf", filename="a.pdf")

    [message] = read(_mbox(tmp_path, mail))

    assert message.id == "1@example.org"
    assert message.text == "Wo ist meine Karte?"
    assert message.subject == "Grüße"


def test_html_mail_loses_its_tags_and_scripts(tmp_path: Path) -> None:
    mail = EmailMessage()
    mail.set_content(
        "<style>p {}</style><script>steal()</script><p>Card &amp; PIN</p>", subtype="html"
    )

    [message] = read(_mbox(tmp_path, mail))

    assert message.text == "Card & PIN"


def test_mail_in_an_unheard_of_charset_is_read_anyway(tmp_path: Path) -> None:
    raw = b'From x\nSubject: =?nonsense?B?YQ==?=\nContent-Type: text/plain; charset="x-klingon"\n\nmy card\n'
    path = tmp_path / "in.mbox"
    path.write_bytes(raw)

    [message] = read(path)

    assert message.text == "my card"


def _mbox(folder: Path, mail: EmailMessage) -> Path:
    path = folder / "in.mbox"
    box = mailbox.mbox(path)
    box.add(mail)
    box.flush()
    box.close()
    return path
