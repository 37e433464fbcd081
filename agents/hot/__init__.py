"""The hot doors: propose, claim, settle, wait, stream, as one small ASGI app beside Django.

Django's request handling would cost three quarters of the throughput and a thread per waiting agent.
These doors settle what needs no person; the moment one is needed they roll back, step aside and call
the ordinary verb.
"""

from .door import app, matches
from .pool import shutdown, startup

__all__ = ["app", "matches", "shutdown", "startup"]
