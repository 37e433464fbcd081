"""What the agent does to the world: tickets, refunds, refusals, and work for people. Each exactly once."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from watchfloor import Answered, Asked, Denied, Found, NotFound, Refused, Rejected, Run

from .categories import CATEGORIES, OTHER, scores
from .desk import Desk
from .directions import review_key
from .messages import Message

UNCLASSIFIED = "unclassified"


class Deeds:
    """The agent's hands, for one run. Only one process works on a store: what was claimed, we claimed."""

    def __init__(self, run: Run, desk: Desk, *, refund_over: Decimal) -> None:
        self._run = run
        self._desk = desk
        self._refund_over = refund_over

    def file(self, message: Message, plan: dict[str, Any]) -> None:
        arguments = {"category": plan["category"], "sorted_by": plan["by"], **shown(message)}
        if "refunded" in plan:
            arguments["refunded"] = plan["refunded"]
        self._once("ticket", "ticket.file", message, arguments)

    def refuse(self, message: Message, plan: dict[str, Any]) -> None:
        arguments = {"because": plan["why"], **shown(message)}
        self._once("refusal", "refusal.record", message, arguments)

    def refund(self, message: Message, plan: dict[str, Any]) -> dict[str, str]:
        """Issue a refund; waits for a person where it is large or the policy says so.

        Returns what changes in the plan: a ticket that tells of it, a refusal, or a review.
        """
        try:
            issued = self._issue(message, plan)
        except (Rejected, Denied, Answered) as no:
            why = no.message or type(no).__name__.lower()
            return {"step": "refuse", "why": f"No refund: {why}"}
        except Asked as question:
            return {"step": "review", "why": f"Asked about the refund: {question}"}
        except Refused as nobody:
            return {"step": "review", "why": f"Nobody decided about the refund: {nobody}"}
        return {"step": "file", "refunded": f"{issued['amount']} {issued['currency']}"}

    def _issue(self, message: Message, plan: dict[str, Any]) -> Any:
        """A question is answered once, by a new version that says what the agent has to go by."""
        reads = f"{plan['by']} reads a request for a refund; the amount is {plan['source']}."
        try:
            return self._ask_for(message, plan, reads)
        except Asked as question:
            asked = question.action.id if question.action else None
            answer = f"You asked: {question} — I know no more than this. {reads} {plan['summary']}"
            return self._ask_for(message, plan, answer, revises=asked)

    def _ask_for(
        self, message: Message, plan: dict[str, Any], reason: str, *, revises: str | None = None
    ) -> Any:
        stake = {"amount": plan["amount"], "currency": plan["currency"]}
        return self._once(
            "refund",
            "refund.issue",
            message,
            {**stake, "amount_is": plan["source"], **shown(message)},
            ask=Decimal(plan["amount"]) > self._refund_over,
            reason=reason,
            revises=revises,
            resume={"message_id": message.id},
            **stake,
        )

    def hand_over(self, message: Message, plan: dict[str, Any], *, tries: int) -> None:
        """Put it into the queue where people sort what the agent could not."""
        self._run.hand_over(
            review_key(message.id, tries),
            f"Unclassified: {' '.join(message.text.split())[:120]}",
            {
                "category": "",
                "guesses": [name for name, _ in scores(message.text)[:3]],
                "categories": [*CATEGORIES, OTHER],
                "sorted_by": plan.get("by", ""),
                **shown(message),
            },
            queue=UNCLASSIFIED,
            reason=plan["why"],
            subject=message.subject_name,
        )

    def _once(
        self, kind: str, tool: str, message: Message, arguments: dict[str, Any], **options: Any
    ) -> Any:
        transaction_id = f"{kind}:{message.id}"
        return self._run.once(
            transaction_id,
            tool,
            self._writer(kind, transaction_id),
            arguments=arguments,
            subject=message.subject_name,
            verify=self._verify,
            takeover=True,
            **options,
        )

    def _writer(self, kind: str, transaction_id: str) -> Callable[..., dict[str, Any]]:
        """Writes what stands in the effective arguments: a person may have changed an amount."""

        def write(**arguments: Any) -> dict[str, Any]:
            return self._desk.file(
                kind,
                transaction_id,
                str(arguments["message_id"]),
                category=arguments.get("category", ""),
                words=arguments.get("because") or arguments.get("text", ""),
                amount=arguments.get("amount", ""),
                currency=arguments.get("currency", ""),
            )

        return write

    def _verify(self, transaction_id: str) -> Found | NotFound:
        receipt = self._desk.find(transaction_id)
        return Found(receipt) if receipt else NotFound()


def shown(message: Message) -> dict[str, str]:
    """What people and the record see of a message."""
    return {
        "message_id": message.id,
        "from": message.sender[:200],
        "subject": message.subject[:300],
        "text": message.text[:4000],
    }
