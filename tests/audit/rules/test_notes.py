"""Keys, notes and checkpoints against what others published."""

from __future__ import annotations

from base64 import b64decode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.rules import notes
from audit.rules.notes import BadNote, Body

# The example and test vectors of golang.org/x/mod/sumdb/note.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETERS_SEED = b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
BY_PETER = (
    "— PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
BY_ENOCH = (
    "— EnochRoot "
    "rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n"
)
# The example of c2sp.org/signed-note.
EXAMPLE = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
EXAMPLE_NOTE = (
    "This is an example message.\n\n— example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
# The Go checksum database's key, and a checkpoint that it signed.
SUMDB = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
SUMDB_NOTE = b64decode(
    "Z28uc3VtIGRhdGFiYXNlIHRyZWUKNjU2NjQyNTgKV1ZWTlZEMnF4K2ZUcTMxemtqNlVBcXhUNVg2SHZHcGhHTStvOFRobmJz"
    "Zz0KCuKAlCBzdW0uZ29sYW5nLm9yZyBBejNncmxpZ0ptZ1g3S0d5R1BLeWJ5a05UaDNWZ3NiTHZVdXZPd3JNNXpMVmx1bG1G"
    "cDJ3ZHZieE93NzQvZ2NOeFVSU2hYRXBiN1JYY3MzK0JZZmxZTit3MGdRPQo="
).decode()


@pytest.mark.parametrize("vkey", [PETER, ENOCH, EXAMPLE, SUMDB])
def test_published_keys_are_read_and_written(vkey: str) -> None:
    assert str(notes.verifier(vkey)) == vkey


@pytest.mark.parametrize(
    "vkey",
    [
        PETER.replace("c74f20a3", "c74f20a4"),
        PETER.replace("c74f20a3", "C74F20A3"),
        PETER.replace("Peter", "Peter "),
        PETER[:-4],
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3",
        "PeterNeumann+c74f20a3+!!!!",
        "",
    ],
)
def test_keys_that_are_none_are_refused(vkey: str) -> None:
    with pytest.raises(BadNote):
        notes.verifier(vkey)


def test_a_signature_is_the_published_one() -> None:
    private = Ed25519PrivateKey.from_private_bytes(PETERS_SEED)

    assert str(notes.verifier_of("PeterNeumann", private)) == PETER
    assert str(notes.sign(TEXT, "PeterNeumann", private)) == BY_PETER


def test_published_notes_open() -> None:
    peter, enoch = notes.verifier(PETER), notes.verifier(ENOCH)
    both = f"{TEXT}\n{BY_PETER}{BY_ENOCH}"

    assert notes.opened(both, peter, enoch).text == TEXT
    assert notes.opened(both, enoch).text == TEXT
    assert str(notes.parse(both)) == both
    assert notes.opened(EXAMPLE_NOTE, notes.verifier(EXAMPLE)).text.startswith("This is")


@pytest.mark.parametrize(
    "note",
    [
        EXAMPLE_NOTE.replace("message", "massage"),
        EXAMPLE_NOTE.replace("KuwHjG1", "KuwHjG2"),
        EXAMPLE_NOTE.replace("example.com/foo", "example.com/bar"),
        EXAMPLE_NOTE.replace("—", "-"),
        EXAMPLE_NOTE.rstrip("\n"),
        EXAMPLE_NOTE.replace("\n\n", "\n"),
        "",
    ],
)
def test_changed_notes_do_not_open(note: str) -> None:
    with pytest.raises(BadNote):
        notes.opened(note, notes.verifier(EXAMPLE))


def test_a_published_checkpoint_is_read_and_written() -> None:
    text = notes.opened(SUMDB_NOTE, notes.verifier(SUMDB)).text
    read = notes.parse_checkpoint(text)

    assert (read.origin, read.size) == ("go.sum database tree", 65664258)
    assert notes.checkpoint(read) == text


@pytest.mark.parametrize(
    "text",
    [
        "o\n01\n" + "A" * 43 + "=\n",
        "o\n-1\n" + "A" * 43 + "=\n",
        "o\n1\nAAAA\n",
        "\n1\n" + "A" * 43 + "=\n",
        "o\n1\n",
        "o\n1\n" + "A" * 43 + "=",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(BadNote):
        notes.parse_checkpoint(text)


def test_a_checkpoint_is_written_as_specified() -> None:
    """The example of c2sp.org/tlog-checkpoint."""
    root = b64decode("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=")
    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"

    assert notes.checkpoint(Body("example.com/behind-the-sofa", 20852163, root)) == text


def test_a_proof_is_written_as_specified() -> None:
    written = notes.proof(7, [bytes(32)], SUMDB_NOTE)

    assert written == ("c2sp.org/tlog-proof@v1\nindex 7\n" + "A" * 43 + "=\n\n" + SUMDB_NOTE)
