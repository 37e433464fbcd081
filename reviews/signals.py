"""What happens to holds, told inside its transaction to whoever calls people."""

from django.dispatch import Signal

hold_opened = Signal()
"""`hold`: something waits for a person."""

holds_opened = Signal()
"""`holds`: many agents were paused by one deed; people are called once for each team, not once for each of them."""

hold_reminded = Signal()
"""`hold`, `share`: so much of its time is over, in per cent."""

hold_escalated = Signal()
"""`hold`, `before` (a queue's name), `why`: others shall answer it now."""

hold_expired = Signal()
"""`hold`: nobody answered in time."""
