"""`watchfloor verify`: exit 0 for proved, 1 for anything wrong, 2 for what cannot be looked at."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from .bundle import parse_key_given, verify_bundle
from .notes import NoCryptography
from .problems import Report, Unusable
from .reading import write_page
from .single import verify_consistency, verify_single
from .store import Damaged, open_bundle, read

LARGEST_PROOF = 1 << 20
LARGEST_ENTRY = 16 << 20


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "verify",
        help="say whether an evidence bundle is proved",
        description="Say whether an evidence bundle, or one entry's .tlog-proof, is proved, "
        "or exactly what is wrong with it. Nothing is asked of any server.",
    )
    parser.add_argument("bundle", help="a folder or .zip; or a .tlog-proof file, with --entry")
    parser.add_argument(
        "--key",
        action="append",
        default=[],
        metavar="VKEY",
        help="the log's verifier key, or a file that holds it: as its people publish it, not from the bundle",
    )
    parser.add_argument(
        "--checkpoint",
        action="append",
        default=[],
        metavar="FILE",
        help="a checkpoint you kept: the bundle's log must continue it",
    )
    parser.add_argument(
        "--entry", metavar="FILE", help="the entry of a .tlog-proof: its line of entries.jsonl"
    )
    parser.add_argument(
        "--consistency",
        nargs=2,
        metavar=("OLDER", "NEWER"),
        help="only whether one checkpoint continues the other, by the bundle's consistency.json",
    )
    parser.add_argument(
        "--read",
        metavar="FILE",
        help="when it is proved: write a page of its entries, made here and not by the log",
    )
    parser.add_argument("--json", action="store_true", help="answer in JSON")
    parser.set_defaults(run=run)


def run(asked: argparse.Namespace) -> int:
    try:
        report = _report(asked)
    except (Unusable, NoCryptography, Damaged, OSError, UnicodeDecodeError) as why:
        _print(json.dumps({"proved": False, "unusable": str(why)}) if asked.json else str(why))
        return 2
    _print(json.dumps(report.as_json()) if asked.json else report.as_text())
    return 0 if report.proved else 1


def _report(asked: argparse.Namespace) -> Report:
    keys = [_file_or_text(key) for key in asked.key]
    parsed = [parse_key_given(key) for key in keys]
    path = Path(asked.bundle)
    if asked.consistency:
        older, newer = (Path(name).read_text("utf-8") for name in asked.consistency)
        return verify_consistency(older, newer, _consistency(path), keys=parsed)
    if path.suffix == ".tlog-proof":
        if not asked.entry:
            raise Unusable("give the entry that it proves, too: --entry FILE")
        return verify_single(
            _limited(path, LARGEST_PROOF), _limited(Path(asked.entry), LARGEST_ENTRY), keys=parsed
        )
    checkpoints = [Path(name).read_text("utf-8") for name in asked.checkpoint]
    report = verify_bundle(path, keys=keys, checkpoints=checkpoints, workers=os.cpu_count() or 1)
    if report.proved and asked.read:
        count = write_page(path, Path(asked.read))
        report.said.append(f"{count:,} entries to be read in {asked.read}")
    return report


def _consistency(path: Path) -> bytes:
    if path.suffix == ".json":
        return _limited(path, LARGEST_PROOF)
    store = open_bundle(path)
    if "consistency.json" not in store.names:
        raise Unusable(
            "the bundle has no consistency.json: ask for one made with the older checkpoint"
        )
    return read(store, "consistency.json", LARGEST_PROOF)


def _file_or_text(key: str) -> str:
    return key if "+" in key else Path(key).read_text("utf-8").strip()


def _limited(path: Path, most: int) -> bytes:
    with path.open("rb") as file:
        found = file.read(most + 1)
    if len(found) > most:
        raise Unusable(f"{path} is larger than {most:,} bytes")
    return found


def _print(text: str) -> None:
    """What bundles say is not to be trusted: nothing in it moves the cursor or turns the text around."""
    for line in text.split("\n"):
        print("".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in line))
