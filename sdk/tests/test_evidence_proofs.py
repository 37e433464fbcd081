"""Known answers for tree, notes and keys; proofs over random trees; bundles that mean harm; the command."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from sdk.tests import evidence_maker as maker
from sdk.tests.evidence_maker import Log, Signer
from watchfloor import cli
from watchfloor.evidence import Unusable, lines, merkle, notes, store, verify_bundle
from watchfloor.evidence.problems import Report
from watchfloor.evidence.reading import shown

# -- known answers ----------------------------------------------------------------------------------


def test_the_tree_is_the_one_of_rfc_6962() -> None:
    empty, three = b"", [b"", b"\x00", b"\x10"]
    left = merkle.node_hash(merkle.leaf_hash(three[0]), merkle.leaf_hash(three[1]))

    assert merkle.EMPTY.hex().startswith("e3b0c442")
    assert merkle.EMPTY.hex().endswith("b855")
    assert merkle.leaf_hash(empty).hex().startswith("6e340b9c")
    assert merkle.leaf_hash(empty).hex().endswith("a01d")
    root = merkle.node_hash(left, merkle.leaf_hash(three[2])).hex()
    assert root.startswith("aeb6bcfe")
    assert root.endswith("6e77")


def test_notes_are_those_of_go() -> None:
    """The example of golang.org/x/mod/sumdb/note."""
    key = notes.parse_key("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    note = notes.parse_note(
        "If you think cryptography is the answer to your problem,\n"
        "then you don't know what your problem is.\n\n"
        "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngot"
        "pRZb6KE6RyyBwJnAM=\n"
    )

    assert note.signers([key]) == [key]


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "name",
        "name+00000000+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10T",
        "a b+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+BBpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ],
)
def test_what_is_no_key_is_refused(vkey: str) -> None:
    with pytest.raises(notes.BadNote):
        notes.parse_key(vkey)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no signature\n",
        "text\n\n- name AAAAAAAA\n",
        "text\n\n— name AAAAAAAA",
        "text\n\n— na+me AAAAAAAA\n",
        "text\r\n\n— name AAAAAAAA\n",
        "text\n\n— name AAAA\n",
        "text\n\n— name AAAAAAB=\n",
        "text\n\n" + "— name AAAAAAAA\n" * 101,
    ],
)
def test_what_is_no_note_is_refused(text: str) -> None:
    with pytest.raises(notes.BadNote):
        notes.parse_note(text)


@pytest.mark.parametrize("size", ["01", "-1", "+1", "1e3", "9" * 30, "", " 1"])
def test_a_checkpoint_has_one_way_to_write_its_size(size: str) -> None:
    root = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="

    with pytest.raises(notes.BadNote):
        notes.parse_checkpoint(Signer(1).note(f"{maker.ORIGIN}\n{size}\n{root}\n"))


# -- random trees -----------------------------------------------------------------------------------

sizes = st.integers(min_value=1, max_value=70)


@given(sizes, st.data())
@settings(max_examples=60, deadline=None)
def test_proofs_of_inclusion_lead_to_the_root_and_no_other_does(size: int, data: Any) -> None:
    leaves = [bytes([n]) for n in range(size)]
    index = data.draw(st.integers(0, size - 1))
    other = data.draw(st.integers(0, size - 1))
    path, root = maker.path_of(index, leaves), maker.root_of(leaves)

    assert merkle.root_by_inclusion(index, size, merkle.leaf_hash(leaves[index]), path) == root
    if other != index:
        try:
            found = merkle.root_by_inclusion(other, size, merkle.leaf_hash(leaves[index]), path)
        except merkle.BadProof:
            found = b""
        assert found != root
    for wrong in ([*path, root], path[:-1] if path else [root]):
        with pytest.raises(merkle.BadProof):
            merkle.root_by_inclusion(index, size, merkle.leaf_hash(leaves[index]), wrong)


@given(sizes, st.data())
@settings(max_examples=60, deadline=None)
def test_proofs_of_consistency_lead_to_both_roots(size: int, data: Any) -> None:
    leaves = [bytes([n]) for n in range(size)]
    old = data.draw(st.integers(1, size))
    before, after = maker.root_of(leaves[:old]), maker.root_of(leaves)
    path = maker.proof_of(old, leaves)

    assert merkle.roots_by_consistency(old, size, before, path) == [before, after]
    if path:
        changed = [*path[:-1], b"\0" * 32]
        assert merkle.roots_by_consistency(old, size, before, changed) != [before, after]
        with pytest.raises(merkle.BadProof):
            merkle.roots_by_consistency(old, size, before, [*path, path[0]])


@given(sizes, st.data())
@settings(max_examples=80, deadline=None)
def test_one_proof_for_many_leads_to_the_root_and_to_older_ones(size: int, data: Any) -> None:
    leaves = [bytes([n]) for n in range(size)]
    wanted = data.draw(st.sets(st.integers(0, size - 1)))
    runs = [(first, last) for first, last in maker.runs_of(sorted(wanted))]
    own = b"".join(merkle.leaf_hash(leaves[index]) for index in sorted(wanted))
    walk = merkle.Walk(size, runs, own, maker.many_of(wanted, leaves))

    assert walk.root() == maker.root_of(leaves)
    old = data.draw(st.integers(0, size))
    assert walk.root_of_first(old) in {None, maker.root_of(leaves[:old])}
    if len(wanted) == size:
        assert walk.root_of_first(old) is not None


# -- bundles that mean harm -------------------------------------------------------------------------


def packed(path: Path, files: dict[str, bytes], **info: Any) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {"manifest.json": b"{}", **files}.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "a\\x", "C:x"])
def test_a_zip_that_reaches_out_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="elsewhere"):
        verify_bundle(packed(tmp_path / "b.zip", {name: b""}))


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="a bomb"):
        verify_bundle(packed(tmp_path / "b.zip", {"entries.jsonl": bytes(50_000_000)}))


def test_more_files_or_bytes_than_any_bundle_has_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = packed(tmp_path / "a.zip", {f"{n}": b"" for n in range(store.MOST_FILES + 1)})
    with pytest.raises(Unusable, match="5,000 files"):
        verify_bundle(many)

    monkeypatch.setattr(store, "LARGEST", 100)
    with pytest.raises(Unusable, match="unpack to more"):
        verify_bundle(packed(tmp_path / "b.zip", {"x": bytes(200)}))


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    path = packed(tmp_path / "b.zip", {})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("manifest.json", "[]")

    with pytest.raises(Unusable, match="two files"):
        verify_bundle(path)


def test_links_in_a_folder_are_refused(tmp_path: Path) -> None:
    bundle = Log(2).write(tmp_path / "b", Log(2).files([0]))
    (bundle / "people.json").unlink()
    (bundle / "people.json").symlink_to("/etc/passwd")

    with pytest.raises(Unusable, match="a link"):
        verify_bundle(bundle)


def test_a_zip_damaged_inside_is_told(tmp_path: Path) -> None:
    log = Log(40)
    folder = log.write(tmp_path / "b", log.files(range(40)))
    path = tmp_path / "b.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(p for p in folder.rglob("*") if p.is_file()):
            archive.write(file, file.relative_to(folder).as_posix())
        place = archive.getinfo("entries.jsonl").header_offset + 300
    raw = bytearray(path.read_bytes())
    raw[place] ^= 255
    path.write_bytes(raw)

    report = verify_bundle(path, keys=[log.key.vkey])

    assert any("damaged" in problem.text for problem in report.problems)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not a zip"])
def test_what_is_no_bundle_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "b.zip"
    path.write_bytes(content)

    with pytest.raises(Unusable, match="neither"):
        verify_bundle(path)


# -- the command ------------------------------------------------------------------------------------


def answer(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    code = cli.main(["verify", *map(str, arguments)])
    return code, capsys.readouterr().out


@pytest.fixture
def log() -> Log:
    return Log(30)


def test_the_command_says_proved_or_what_is_wrong(
    log: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = log.write(tmp_path / "b", log.files([4, 5], old=log.checkpoint(8), old_size=8))
    (tmp_path / "old").write_text(log.checkpoint(8), "utf-8")
    (tmp_path / "key").write_text(log.key.vkey)

    code, text = answer(capsys, bundle, "--key", tmp_path / "key", "--checkpoint", tmp_path / "old")
    assert (code, text.splitlines()[0]) == (0, "proved")
    assert "continues the checkpoint of 8 entries" in text
    code, text = answer(capsys, bundle)
    assert code == 1
    (bundle / "entries.csv").write_text("\x1b[2J")
    code, text = answer(capsys, bundle, "--key", log.key.vkey, "--json")
    assert code == 1
    assert json.loads(text)["problems"][0]["kind"] == "file changed"
    code, text = answer(capsys, tmp_path / "none", "--json")
    assert code == 2
    assert json.loads(text)["unusable"].startswith("there is no")


def test_a_page_of_what_is_proved_is_made_here(
    log: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log.add(erased=True, about="<script>", actor="person:018f")
    bundle = log.write(tmp_path / "b", log.files(range(31)))
    page = tmp_path / "page.html"

    code, text = answer(capsys, bundle, "--read", page)
    assert code == 1
    assert not page.exists()
    code, text = answer(capsys, bundle, "--key", log.key.vkey, "--read", page)

    assert code == 0
    assert "31 entries to be read" in text
    told = page.read_text("utf-8")
    assert "⟦U+202E⟧" in told
    assert "ada <code>person:018f</code> · <code>&lt;script&gt;" in told
    assert "(what it told was erased)" in told


def test_names_that_are_no_names_are_told(log: Log, tmp_path: Path) -> None:
    files = log.files([4]) | {"people.json": b'{"018f":["ada"]}'}

    report = verify_bundle(log.write(tmp_path / "b", files), keys=[log.key.vkey])

    assert [problem.kind for problem in report.problems] == ["people.json unreadable"]


def test_a_single_proof_stands_by_itself(
    log: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = log.write(tmp_path / "b", log.files([4, 5]))
    proof, key = bundle / "proofs/4.tlog-proof", ["--key", log.key.vkey]
    right, wrong, leaf = (tmp_path / name for name in ("right", "wrong", "leaf"))
    right.write_bytes((bundle / "entries.jsonl").read_bytes().split(b"\n")[0])
    wrong.write_bytes((bundle / "entries.jsonl").read_bytes().split(b"\n")[1])
    leaf.write_bytes(log.leaves[4])

    assert answer(capsys, proof, "--entry", right, *key)[0] == 0
    assert answer(capsys, proof, "--entry", leaf, *key)[0] == 0
    assert answer(capsys, proof, "--entry", wrong, *key)[0] == 1
    assert answer(capsys, proof, "--entry", right)[0] == 1
    assert answer(capsys, proof, *key)[0] == 2


def test_two_checkpoints_are_compared(
    log: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = log.files([4], old=log.checkpoint(8), old_size=8)
    bundle = log.write(tmp_path / "b", files)
    old, new, other = (tmp_path / name for name in ("old", "new", "other"))
    old.write_text(log.checkpoint(8), "utf-8")
    new.write_text(log.checkpoint(), "utf-8")
    log.leaves[2] = b"{}"
    other.write_text(log.checkpoint(8), "utf-8")
    key = ["--key", log.key.vkey]

    assert answer(capsys, "--consistency", old, new, bundle, *key)[0] == 0
    assert answer(capsys, "--consistency", old, new, bundle / "consistency.json", *key)[0] == 0
    code, text = answer(capsys, "--consistency", other, new, bundle, *key)
    assert code == 1
    assert "does not continue the older checkpoint" in text


def test_what_a_bundle_says_cannot_move_the_cursor(
    log: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = log.write(tmp_path / "b", log.files([4]), origin="evil\x1b[2J\u202e")

    code, text = answer(capsys, bundle)

    assert code == 1
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\\u001b" in text


def test_without_cryptography_one_sentence_says_what_to_install(
    log: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = log.write(tmp_path / "b", log.files([4]))
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)

    code, text = answer(capsys, bundle, "--key", log.key.vkey)

    assert code == 2
    assert "pip install 'watchfloor[verify]'" in text


def test_the_verifier_needs_no_server(log: Log, tmp_path: Path) -> None:
    bundle = log.write(tmp_path / "b", log.files([4]))
    program = (
        "import sys; from watchfloor import cli; "
        f"code = cli.main(['verify', {str(bundle)!r}, '--key', {log.key.vkey!r}]); "
        "known = {'django', 'audit', 'agents', 'people', 'reviews', 'dashboard'}; "
        "sys.exit(code or len(known & set(sys.modules)))"
    )

    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=False)

    assert done.returncode == 0


def test_large_bundles_are_read_by_several_processes(
    log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from watchfloor.evidence import entries

    monkeypatch.setattr(entries, "WORTH_MORE_PROCESSES", 0)
    monkeypatch.setattr(entries, "BLOCK", 1000)
    bundle = log.write(tmp_path / "b", log.files(range(30)))

    report: Report = verify_bundle(bundle, keys=[log.key.vkey], workers=2)
    assert report.proved
    lines = (bundle / "entries.jsonl").read_text("utf-8").split("\n")
    lines[20] = lines[20].replace("Line", "Lane")
    (bundle / "entries.jsonl").write_text("\n".join(lines), "utf-8")
    report = verify_bundle(bundle, keys=[log.key.vkey], workers=2)
    assert [problem.index for problem in report.problems if problem.kind == "payload"] == [20]


words = st.text(max_size=12) | st.sampled_from(
    ["\x7f", "\u2028", "\\", '"', "\x08\t\n\x0c\r\x0b", ""]
)
facts = st.fixed_dictionaries(
    dict.fromkeys(("about", "actor", "agent", "kind", "run", "team"), words)
    | {
        "at": st.sampled_from(["2026-11-21T13:00:00.123456Z", "2026-13-21T13:00:00.123456Z", ""]),
        "id": st.integers(-1, 1 << 64),
        "payload": st.sampled_from(["a" * 64, "A" * 64, ""]),
        "version": st.integers(0, 3),
    }
)


@given(facts, st.data())
@settings(max_examples=300, deadline=None)
def test_the_quick_look_at_a_line_sees_what_the_slow_one_does(
    line: dict[str, Any], data: Any
) -> None:
    text = rfc8785.dumps({**line, "id": min(line["id"], (1 << 53) - 1)}).decode()
    at = data.draw(st.integers(0, len(text) - 1))
    for leaf in (text, text[:at] + data.draw(words) + text[at + 1 :]):
        try:
            slow = lines._looked_through(leaf)
        except lines.Wrong:
            with pytest.raises(lines.Wrong):
                lines._facts(leaf, leaf.encode(errors="replace"))
        else:
            quick = lines._facts(leaf, leaf.encode())
            assert quick == (slow["id"], slow["at"], slow["payload"])
            assert rfc8785.dumps(slow) == leaf.encode()


@pytest.mark.parametrize(
    "hidden", "\u202e\u200b\u3164\u115f\ufe01\U000e0100\U000e0041\x1b\x85\u2028"
)
def test_what_one_would_not_see_is_spelt_out_on_the_page(hidden: str) -> None:
    assert shown(f"a{hidden}<b>") == f"a⟦U+{ord(hidden):04X}⟧&lt;b&gt;"
