"""Policies as data: what an agent may do, what it may not, and what needs whose approval.

Pure: no clock, no I/O. `document` reads and checks, `conditions` compiles, `compiled` judges,
`combine` lets the stricter of two policies win.
"""

from . import known_sections  # noqa: F401  # they register themselves
from .amounts import number
from .combine import judge_policies
from .compiled import Compiled, compile_policy
from .ruling import Case, Requirement, Ruling, Shadow

__all__ = [
    "Case",
    "Compiled",
    "Requirement",
    "Ruling",
    "Shadow",
    "compile_policy",
    "judge_policies",
    "number",
]
