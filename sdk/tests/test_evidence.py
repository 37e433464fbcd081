"""A whole bundle is proved; whatever is changed in it is told."""

from __future__ import annotations

import json
import shutil
from base64 import b64decode, b64encode
from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import Any

import pytest

from sdk.tests.evidence_maker import ORIGIN, Log, Signer, runs_of
from watchfloor.evidence import Report, Unusable, verify_bundle

SIZE = 43
CHOSEN = [0, 3, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 30, 42]


@pytest.fixture(scope="module")
def log() -> Log:
    log = Log(SIZE - 1)
    log.add(erased=True)
    return log


@pytest.fixture
def bundle(log: Log, tmp_path: Path) -> Path:
    return log.write(tmp_path / "bundle", log.files(CHOSEN))


def looked_at(bundle: Path, log: Log, **more: Any) -> Report:
    return verify_bundle(bundle, keys=[log.key.vkey], **more)


def kinds(report: Report) -> set[str]:
    return {problem.kind for problem in report.problems}


def test_a_whole_bundle_is_proved(bundle: Path, log: Log) -> None:
    report = looked_at(bundle, log)

    assert report.problems == []
    assert report.as_text().startswith("proved\n  16 entries of the log floor.example/record")
    assert "27 between them are not in this bundle" in report.as_text()
    assert "1 were erased" in report.as_text()
    assert report.facts["signed_by"] == [log.key.vkey]


@pytest.mark.parametrize("packed", [".zip", "inside.zip"])
def test_it_may_be_packed(bundle: Path, log: Log, tmp_path: Path, packed: str) -> None:
    top = {"root_dir": bundle} if packed == ".zip" else {"root_dir": tmp_path, "base_dir": "bundle"}
    shutil.make_archive(str(tmp_path / "packed"), "zip", **top)

    assert looked_at(tmp_path / "packed.zip", log).proved


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 31, 64])
def test_logs_of_any_size_are_proved_whole_in_part_and_empty(size: int, tmp_path: Path) -> None:
    log = Log(size)

    for chosen in (range(size), range(size // 2, size), range(0, size, 2), [size - 1], []):
        report = looked_at(log.write(tmp_path / "b", log.files(list(chosen))), log)
        assert report.problems == []


def test_nobody_vouched_is_said_with_the_key(bundle: Path, log: Log) -> None:
    report = verify_bundle(bundle)

    assert kinds(report) == {"nobody vouched"}
    assert report.as_text().startswith("consistent, but signed by a key nobody vouched for")
    assert log.key.vkey in report.as_text()


def test_another_key_with_the_same_name_vouches_for_nothing(bundle: Path) -> None:
    assert kinds(verify_bundle(bundle, keys=[Signer(9).vkey])) == {"nobody vouched"}


@pytest.mark.parametrize("place", [0.0, 0.3, 0.6, 0.99])
def test_one_changed_byte_in_any_file_is_told(
    bundle: Path, log: Log, tmp_path: Path, place: float
) -> None:
    for path in sorted(file for file in bundle.rglob("*") if file.is_file()):
        whole = path.read_bytes()
        at = min(int(len(whole) * place), len(whole) - 1)
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        try:
            report = looked_at(bundle, log)
        except Unusable:
            assert path.name == "manifest.json"
        else:
            assert report.problems, path
        path.write_bytes(whole)
    assert looked_at(bundle, log).proved


def test_any_file_that_is_missing_or_added_is_told(bundle: Path, log: Log) -> None:
    for path in sorted(file for file in bundle.rglob("*") if file.is_file()):
        if path.name == "manifest.json":
            continue
        whole = path.read_bytes()
        path.unlink()
        assert "file missing" in kinds(looked_at(bundle, log)), path
        path.write_bytes(whole)
    (bundle / "more.txt").write_text("more")
    assert kinds(looked_at(bundle, log)) == {"file added"}


# -- somebody who has the log's key and makes manifest and fingerprints anew ----------------------


Lines = list[dict[str, Any]]


def removed(lines: Lines) -> None:
    del lines[3]


def swapped(lines: Lines) -> None:
    lines[3], lines[4] = lines[4], lines[3]


def doubled(lines: Lines) -> None:
    lines.insert(3, lines[3])


def foreign(lines: Lines) -> None:
    lines[3]["index"] = 6


def salts_swapped(lines: Lines) -> None:
    lines[3]["salt"], lines[4]["salt"] = lines[4]["salt"], lines[3]["salt"]


def bodies_swapped(lines: Lines) -> None:
    lines[3]["body"], lines[4]["body"] = lines[4]["body"], lines[3]["body"]


def hidden(lines: Lines) -> None:
    lines[3] = {"index": lines[3]["index"], "leaf": lines[3]["leaf"], "erased": True}


def rewritten(lines: Lines) -> None:
    lines[3]["leaf"] = lines[3]["leaf"].replace("hold.approved", "hold.rejected")


def spaced(lines: Lines) -> None:
    lines[3]["leaf"] = lines[3]["leaf"].replace(":", ": ", 1)


def retyped(lines: Lines) -> None:
    lines[3]["leaf"] = lines[3]["leaf"].replace('"version":1', '"version":"1"')


def dated(lines: Lines) -> None:
    lines[3]["leaf"] = lines[3]["leaf"].replace(".000001Z", "Z")


def extended(lines: Lines) -> None:
    lines[3]["more"] = 1


def halved(lines: Lines) -> None:
    lines[3]["leaf"] = lines[3]["leaf"].replace("hold.approved", "\ud800")


FORGERIES: dict[Callable[[Lines], None], tuple[str, int | None]] = {
    removed: ("missing", 5),
    swapped: ("order", 8),
    doubled: ("twice", 5),
    foreign: ("foreign", 6),
    salts_swapped: ("payload", 5),
    bodies_swapped: ("payload", 5),
    rewritten: ("line changed", 5),
    spaced: ("leaf", 5),
    retyped: ("leaf", 5),
    dated: ("leaf", 5),
    extended: ("unreadable line", None),
    halved: ("leaf", 5),
}


@pytest.mark.parametrize("forge", FORGERIES, ids=lambda forge: forge.__name__)
def test_entries_forged_with_the_key_at_hand_are_told(
    forge: Callable[[Lines], None], log: Log, tmp_path: Path
) -> None:
    files = log.files(CHOSEN)
    lines = [json.loads(line) for line in files["entries.jsonl"].splitlines()]
    forge(lines)
    files["entries.jsonl"] = "".join(json.dumps(line) + "\n" for line in lines).encode()
    kind, index = FORGERIES[forge]

    report = looked_at(log.write(tmp_path / "b", files), log)

    assert kind in kinds(report)
    assert index in {problem.index for problem in report.problems}


def test_what_is_only_said_to_be_erased_is_no_longer_the_signed_bundle(
    bundle: Path, log: Log
) -> None:
    path = bundle / "entries.jsonl"
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    hidden(lines)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))

    assert kinds(looked_at(bundle, log)) == {"file changed", "count"}


@pytest.mark.parametrize(
    "line",
    [
        '{"index":5,"index":5,"leaf":"","erased":true}',
        '{"index":NaN,"leaf":"","erased":true}',
        '{"index":true,"leaf":"","erased":true}',
        '{"index":-1,"leaf":"","erased":true}',
        '{"index":1e3,"leaf":"","erased":true}',
        '{"index":' + "9" * 5000 + ',"leaf":"","erased":true}',
        "[" * 100_000,
        "",
        "null",
        "{",
        '\ufeff{"index":5,"leaf":"","erased":true}',
    ],
)
def test_lines_that_are_no_lines_are_told_not_believed(line: str, log: Log, tmp_path: Path) -> None:
    files = log.files(CHOSEN)
    lines = files["entries.jsonl"].split(b"\n")
    lines[3] = line.encode()
    files["entries.jsonl"] = b"\n".join(lines)
    folder = log.write(tmp_path / "b", files | {"entries.jsonl": b""}, count=16, erased=1)
    (folder / "entries.jsonl").write_bytes(files["entries.jsonl"])

    report = looked_at(folder, log)

    assert "unreadable line" in kinds(report)
    assert any("line 4" in problem.text for problem in report.problems)


ENDLESS = '{"data":{"a":' + "9" * 5_000


@pytest.mark.parametrize(
    "body",
    [
        '{"data":{"a":1,"a":2},"summary":""}',
        '{"data":{"a":NaN},"summary":""}',
        "[]",
        "x",
        ENDLESS,
        f'{ENDLESS},"b":{"[" * 200_000}',
    ],
    ids=["twice", "NaN", "list", "no JSON", "torn", "deep"],
)
def test_contents_that_can_be_read_in_two_ways_are_told(body: str, tmp_path: Path) -> None:
    from hashlib import sha256

    log = Log(3)
    log.add(payload=sha256(bytes(16) + body.encode()).hexdigest())
    log.lines[3] |= {"salt": bytes(16).hex(), "body": body}

    report = looked_at(log.write(tmp_path / "b", log.files(range(4))), log)

    assert kinds(report) == {"content"}


def test_a_line_sequenced_twice_is_told(tmp_path: Path) -> None:
    log = Log(5)
    log.add(id=6)

    report = looked_at(log.write(tmp_path / "b", log.files(range(6))), log)

    assert kinds(report) == {"twice"}


def test_what_was_gone_before_it_was_committed_to_is_only_ever_erased(tmp_path: Path) -> None:
    log = Log(3)
    log.add(erased=True, payload="")
    assert looked_at(log.write(tmp_path / "a", log.files(range(4))), log).proved

    log.add(payload="")
    report = looked_at(log.write(tmp_path / "b", log.files(range(5))), log)
    assert [(problem.kind, problem.index) for problem in report.problems] == [("payload", 4)]


def test_entries_outside_the_period_are_told(log: Log, tmp_path: Path) -> None:
    about = {"period": {"from": "2026-11-01T00:03:00.000000Z", "to": "2026-11-02T00:00:00.000000Z"}}

    report = looked_at(log.write(tmp_path / "b", log.files(CHOSEN), about=about), log)

    assert [(problem.kind, problem.index) for problem in report.problems] == [("period", 0)]


# -- proofs, signatures, manifests ------------------------------------------------------------------


def test_the_proof_of_another_log_is_told(log: Log, tmp_path: Path) -> None:
    other = Log(SIZE, seed=1)
    other.leaves[1] = other.leaves[2]
    files = log.files(CHOSEN)

    proof = looked_at(
        log.write(tmp_path / "a", files | {"proof.json": other.files(CHOSEN)["proof.json"]}), log
    )
    both = files | {name: other.files(CHOSEN)[name] for name in ("proof.json", "checkpoint")}
    whole = looked_at(log.write(tmp_path / "b", both), log)

    assert "root" in kinds(proof)
    assert "proof" in kinds(whole), "the single proofs are of the first log"


def test_the_checkpoint_of_another_origin_is_told(log: Log, tmp_path: Path) -> None:
    other = Log(SIZE, origin="elsewhere.example/record")
    files = log.files(CHOSEN) | {"checkpoint": other.files(CHOSEN)["checkpoint"]}

    report = looked_at(log.write(tmp_path / "b", files), log)

    assert {"origin", "signature"} <= kinds(report)


def test_a_proof_for_other_places_or_sizes_is_told(log: Log, tmp_path: Path) -> None:
    files = log.files(CHOSEN)
    proof = json.loads(files["proof.json"])
    forged: list[dict[str, Any]] = [
        proof | {"hashes": proof["hashes"][:-1]},
        proof | {"hashes": [*proof["hashes"], proof["hashes"][0]]},
        proof | {"hashes": [proof["hashes"][1], proof["hashes"][0], *proof["hashes"][2:]]},
        proof | {"size": SIZE + 1},
        proof | {"indexes": runs_of([*CHOSEN, 20])},
        proof | {"indexes": [[0, 1 << 62]], "size": (1 << 62) + 1},
        proof | {"indexes": [[5, 3]]},
        proof | {"indexes": [[0, 3], [3, 5]]},
        proof | {"indexes": [[0, SIZE]]},
        proof | {"hashes": ["AAAA"]},
        proof | {"hashes": "x"},
        proof | {"more": 1},
    ]

    for one in forged:
        raw = json.dumps(one).encode()
        report = looked_at(log.write(tmp_path / "b", files | {"proof.json": raw}), log)
        assert kinds(report) & {"root", "size", "missing", "proof.json unreadable"}, one


@pytest.mark.parametrize("name", ["checkpoint", "manifest.sig"])
def test_a_forged_signature_is_told(bundle: Path, log: Log, name: str) -> None:
    text = (bundle / name).read_text("utf-8")
    head, space, signature = text.rstrip("\n").rpartition(" ")
    raw = bytearray(b64decode(signature))
    raw[-1] ^= 1
    (bundle / name).write_text(f"{head}{space}{b64encode(raw).decode()}\n", "utf-8")

    report = looked_at(bundle, log)

    assert any("is forged" in problem.text for problem in report.problems)


def test_an_edited_manifest_is_told(bundle: Path, log: Log) -> None:
    path = bundle / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b'"iris"', b'"otto"'))

    assert kinds(looked_at(bundle, log)) == {"manifest"}


def test_edited_tables_and_names_are_told(bundle: Path, log: Log) -> None:
    for name in ("entries.csv", "index.html", "people.json"):
        path = bundle / name
        whole = path.read_bytes()
        path.write_bytes(whole.replace(b"ada", b"eve") + b" ")
        report = looked_at(bundle, log)
        assert [problem.text for problem in report.problems] == [
            f"{name!r} is not the file that the manifest names"
        ]
        path.write_bytes(whole)


def test_a_single_proof_for_another_place_is_told(log: Log, tmp_path: Path) -> None:
    files = log.files(CHOSEN)
    files["proofs/3.tlog-proof"] = files["proofs/4.tlog-proof"]

    assert kinds(looked_at(log.write(tmp_path / "b", files), log)) == {"proof"}


# -- keys handed over, older checkpoints ------------------------------------------------------------


def test_trust_follows_the_keys_that_hand_over(tmp_path: Path) -> None:
    log = Log(10)
    first = log.key.vkey
    log.rotate(2)
    log.add()
    log.rotate(3)
    bundle = log.write(tmp_path / "b", log.files(range(4)))

    assert verify_bundle(bundle, keys=[first]).proved
    assert verify_bundle(bundle, keys=[log.key.vkey]).proved
    assert kinds(verify_bundle(bundle)) == {"nobody vouched"}


def test_a_key_that_nobody_handed_over_to_is_told(tmp_path: Path) -> None:
    log = Log(10)
    first = log.key.vkey
    log.rotate(2)
    log.keys[1]["rotation"] = None
    bundle = log.write(tmp_path / "b", log.files(range(4)))
    forged = Signer(9).note(f"watchfloor-key-rotation/1\n{ORIGIN}\n{log.key.vkey}\n")

    assert "rotation" in kinds(verify_bundle(bundle, keys=[first]))
    log.keys[1]["rotation"] = forged
    bundle = log.write(tmp_path / "b", log.files(range(4)))
    assert "rotation" in kinds(verify_bundle(bundle, keys=[first]))


@pytest.mark.parametrize("handed_over", [False, True])
def test_a_stranger_who_lists_a_key_of_theirs_cannot_sign_the_manifest(
    handed_over: bool, log: Log, tmp_path: Path
) -> None:
    stranger, text = Signer(9), log.checkpoint().rpartition("\n\n")[0] + "\n"
    keys = [{"vkey": stranger.vkey, "from_size": 0, "rotation": None}]
    if handed_over:
        said = stranger.note(f"watchfloor-key-rotation/1\n{ORIGIN}\n{log.key.vkey}\n")
        keys.append({"vkey": log.key.vkey, "from_size": SIZE, "rotation": said})
    files = {name: raw for name, raw in log.files(CHOSEN).items() if "tlog-proof" not in name}
    files["keys.json"] = json.dumps(keys).encode()
    files["people.json"] = json.dumps({"018f": "somebody else"}).encode()
    files["checkpoint"] = log.key.note(text, stranger).encode()
    forged = copy(log)
    forged.key = stranger

    report = looked_at(forged.write(tmp_path / "b", files, made_by="the court"), log)

    assert kinds(report) == {"manifest not vouched"}
    assert report.as_text().startswith("NOT proved")


def test_a_retired_key_signs_no_longer(tmp_path: Path) -> None:
    log = Log(10)
    old = log.key
    log.rotate(2)
    log.add()
    log.signers, log.key = [old], old

    report = verify_bundle(log.write(tmp_path / "b", log.files(range(4))), keys=[old.vkey])

    assert kinds(report) == {"signature"}
    assert "not by the key in force" in report.as_text()


def test_an_older_checkpoint_is_continued(log: Log, tmp_path: Path) -> None:
    old = log.checkpoint(20)
    by_proof = log.write(tmp_path / "a", log.files(CHOSEN, old=old, old_size=20))
    whole = log.write(tmp_path / "b", log.files(range(SIZE)))

    assert looked_at(by_proof, log, checkpoints=[old]).facts["continues"] == [20]
    for size in range(SIZE + 1):
        assert looked_at(whole, log, checkpoints=[log.checkpoint(size)]).proved, size


def test_without_a_proof_an_older_checkpoint_remains_unknown(bundle: Path, log: Log) -> None:
    assert kinds(looked_at(bundle, log, checkpoints=[log.checkpoint(21)])) == {"older unknown"}


def test_a_cut_tail_is_told(tmp_path: Path) -> None:
    log = Log(SIZE)
    kept = log.checkpoint()
    del log.leaves[30:], log.lines[30:]

    report = looked_at(log.write(tmp_path / "b", log.files(range(30))), log, checkpoints=[kept])

    assert kinds(report) == {"older"}
    assert "the end was cut off" in report.as_text()


def test_a_history_written_anew_is_told(log: Log, tmp_path: Path) -> None:
    kept = log.checkpoint(20)
    other = Log(5)
    for _ in range(SIZE - 5):
        other.add(team="another")
    whole = other.write(tmp_path / "a", other.files(range(SIZE)))
    proved = other.write(tmp_path / "b", other.files([1], old=other.checkpoint(20), old_size=20))

    for bundle in (whole, proved):
        report = looked_at(bundle, other, checkpoints=[kept])
        assert "does not continue the checkpoint you hold" in report.as_text()
