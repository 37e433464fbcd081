"""What a verification found, in sentences and in facts."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

from .keys import Ring
from .manifest import Manifest
from .notes import Checkpoint
from .problems import Report

if TYPE_CHECKING:
    from .bundle import Verification


def report(
    found: Verification, manifest: Manifest, ring: Ring, checkpoint: Checkpoint | None
) -> Report:
    entries = found.entries
    signers = [key.vkey for key in found.signed_by]
    facts = {
        "origin": manifest.origin,
        "made_at": manifest.made_at,
        "made_by": manifest.made_by,
        "about": manifest.about,
        "count": len(entries.indexes),
        "erased": entries.erased,
        "from": entries.first_at,
        "to": entries.last_at,
        "size": manifest.size,
        "root": b64encode(checkpoint.root).decode() if checkpoint else "",
        "signed_by": signers,
        "vouched": ring.vouches(found.signed_by),
        "continues": [older.size for older in found.continued],
    }
    return Report("bundle", found.problems.listed(), list(_sentences(found, manifest)), facts)


def _sentences(found: Verification, manifest: Manifest) -> list[str]:
    entries = found.entries
    indexes = entries.indexes
    said = [f"{len(indexes):,} entries of the log {manifest.origin}, which has {manifest.size:,}"]
    if indexes:
        gaps = indexes[-1] - indexes[0] + 1 - len(indexes)
        between = f"{gaps:,} between them are not in this bundle" if gaps else "without a gap"
        said.append(f"places {indexes[0]:,} to {indexes[-1]:,} of the log, {between}")
        said.append(f"from {entries.first_at} to {entries.last_at}")
    said += [f"signed by {key.vkey}" for key in found.signed_by]
    if entries.erased:
        said.append(
            f"{entries.erased:,} were erased: that and when they were made is proved, "
            "what they said is gone"
        )
    said += [
        f"continues the checkpoint of {older.size:,} entries (seen {older.by})"
        for older in found.continued
    ]
    said.append(
        "table, page and names beside the entries are the log's own words, signed by it: "
        "--read FILE makes a page of what is proved"
    )
    return said
