"""What a bundle says of itself to whoever opens it."""

README = """\
Evidence from the record of {origin}
{title}
Made {made_at} for {made_by}: {count} entries, {erased} of them erased since.

TO READ     index.html (any browser), entries.csv (any spreadsheet; a cell that begins with ' was disarmed)
TO PROVE    pip install 'watchfloor[verify]'
            watchfloor verify THIS-FOLDER-OR-ZIP --key VKEY

VKEY is the log's verifier key. Take it from the people who run the log or from where they publish it, not from
this bundle: whoever can forge a bundle can forge the key in it. The program asks no server and needs no network.
With a checkpoint that you kept earlier, add --checkpoint FILE: it shows that nothing before it was changed and
that the end was not cut off.

FILES
  entries.jsonl     one entry a line, in the order of the log: its hashed line (RFC 8785 JSON), salt and content
  proof.json        the hashes that lead from these entries to the root (RFC 6962)
  checkpoint        size and root of the log, signed (C2SP tlog-checkpoint, Ed25519)
  consistency.json  if asked for: that this log continues an older checkpoint
  proofs/           of a case: each entry's own proof (C2SP tlog-proof)
  leaves.bin        the hash the tree holds for each entry: says which was changed, if one was
  keys.json         the log's keys; each but the first with the statement by which the one before hands over
  people.json       names of the people whom lines name by id
  manifest.json     what this is, and the SHA-256 of every file; signed in manifest.sig

What the signatures cannot say: which entries were left out of a bundle of some teams, and that what somebody
wrote into the record was true. They say that it was written then, and has not been changed since.
"""
