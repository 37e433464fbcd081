"""Checks what Watchfloor's record proves, without Watchfloor: bundles, single proofs, checkpoints.

Imports nothing of the server. Ed25519 comes from `cryptography` (`pip install 'watchfloor[verify]'`).
"""

from .bundle import verify_bundle
from .notes import NoCryptography
from .problems import Problem, Report, Unusable
from .single import verify_consistency, verify_single

__all__ = [
    "NoCryptography",
    "Problem",
    "Report",
    "Unusable",
    "verify_bundle",
    "verify_consistency",
    "verify_single",
]
