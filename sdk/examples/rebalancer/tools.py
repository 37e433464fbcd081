"""What the tools take, as JSON Schema: people's forms are made from it, and their edits must fit it."""

from __future__ import annotations

from typing import Any

MONEY = r"^[0-9]+([.][0-9]+)?$"

PLACE: dict[str, Any] = {
    "type": "object",
    "description": "Place an order to trade shares at the day's price.",
    "properties": {
        "symbol": {"type": "string", "title": "Symbol", "description": "What is traded."},
        "side": {"enum": ["buy", "sell"], "title": "Side"},
        "quantity": {
            "type": "integer",
            "title": "Quantity",
            "minimum": 1,
            "maximum": 1_000_000,
            "description": "Shares. Debit and credit follow from it.",
        },
        "price": {"type": "string", "title": "Price of a share, in dollars", "pattern": MONEY},
        "notional": {
            "type": "string",
            "title": "Worth when proposed, in dollars",
            "pattern": MONEY,
            "description": "Quantity times price as the agent proposed them.",
        },
        "trade": {"type": "string", "title": "Trade", "description": "The order's own name."},
    },
    "required": ["symbol", "side", "quantity", "price", "trade"],
}

TOOLS = ["trade.place", "ledger.debit", "ledger.credit"]
SCHEMAS = {"trade.place": PLACE}
