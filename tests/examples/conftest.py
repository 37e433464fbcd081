"""The examples live outside the project's import path; their tests bring them in."""

from __future__ import annotations

import sys

from tests.resilience.conftest import banking77 as banking77
from tests.resilience.house import EXAMPLES

sys.path.insert(0, str(EXAMPLES))
