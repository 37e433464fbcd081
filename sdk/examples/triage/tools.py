"""What the tools take, as JSON Schema: people's forms are made from it, and their edits must fit it."""

from __future__ import annotations

from typing import Any

REFUND: dict[str, Any] = {
    "type": "object",
    "description": "Pay a customer back.",
    "properties": {
        "amount": {
            "type": "string",
            "title": "Amount",
            "pattern": r"^[0-9]+([.][0-9]{1,2})?$",
            "description": "What is paid back, as digits.",
        },
        "currency": {"type": "string", "title": "Currency", "pattern": "^[A-Z]{3}$"},
        "amount_is": {
            "type": "string",
            "title": "Where the amount comes from",
            "description": "Named in the message, or the agent's guess.",
        },
        "message_id": {"type": "string", "title": "Message"},
        "from": {"type": "string", "title": "Customer"},
        "subject": {"type": "string", "title": "Subject"},
        "text": {"type": "string", "title": "What they wrote"},
    },
    "required": ["amount", "currency", "message_id"],
}

TOOLS = ["classify", "classify.keywords", "ticket.file", "refund.issue", "refusal.record"]
SCHEMAS = {"refund.issue": REFUND}
