"""What the agents' app tells those above it, inside its transaction. The answer travels down as a plain call."""

from django.dispatch import Signal

action_held = Signal()
"""`action`, `queue`: an action waits for a person."""

action_closed = Signal()
"""`actions`: held actions that no longer wait, closed by their agent, a finished run or a stop."""

action_decided = Signal()
"""`action`: a held or approved action was approved, rejected, expired or cancelled."""

action_told_again = Signal()
"""`action`: a person wants its agent to be told of the approval once more."""

action_lost = Signal()
"""`action`: its outcome never came."""

action_found = Signal()
"""`action`: its outcome came after all."""

agent_stopped = Signal()
"""`trip`: an agent, or one run, was paused and a person must say what now. Where a hot door stops an agent by itself,
who asks is asked for statements instead (`transitions.halting.ask_with`)."""

agents_stopped = Signal()
"""`trips`: many agents were paused by one deed, and somebody must say of each what now."""

agent_started = Signal()
"""`trip`, `at`: what was paused runs again, or is over; deadlines move on."""

policy_saved = Signal()
"""`policy`, `document`, `by`: a new version of a policy's document is in force; what else stands in it can be made so."""

breaker_shadowed = Signal()
"""`agent`, `run` (or None), `sentence`: a breaker in shadow would have stopped it."""

budget_low = Signal()
"""`team`, `agent` (or None: the whole team's), `sentence`, `about` (a name for this budget in this period): nearly spent."""

fleet_guarded = Signal()
"""`team` (or None: the whole house), `sentence`, `about`: so many agents tripped at once that no more were paused."""
