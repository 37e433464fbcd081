"""How much a customer asks back: as they wrote it, else as their order says."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from decimal import Decimal

from .messages import Message

_CURRENCIES = {
    "$": "USD", "usd": "USD", "dollar": "USD", "dollars": "USD", "£": "GBP", "gbp": "GBP",
    "pound": "GBP", "pounds": "GBP", "€": "EUR", "eur": "EUR", "euro": "EUR", "euros": "EUR",
}  # fmt: skip
_NUMBER = r"(\d{1,3}(?:,\d{3})+(?:\.\d{1,2})?|\d{1,7}(?:[.,]\d{1,2})?)(?!\d)"
_BEFORE = re.compile(rf"([$£€])\s?{_NUMBER}")
_AFTER = re.compile(
    rf"\b{_NUMBER}\s?([$£€]|(?:usd|gbp|eur|dollars?|pounds?|euros?)\b)", re.IGNORECASE
)


@dataclass(frozen=True)
class Claim:
    """What is asked for and where the number comes from."""

    amount: Decimal
    currency: str
    source: str


def claimed(message: Message) -> Claim:
    """The largest amount the message names; without one, what the order lookup finds."""
    text = f"{message.subject}\n{message.text[:8000]}"
    found = [(_decimal(m[2]), m[1]) for m in _BEFORE.finditer(text)]
    found += [(_decimal(m[1]), m[2]) for m in _AFTER.finditer(text)]
    if not found:
        return last_order(message)
    amount, sign = max(found)
    return Claim(amount, _CURRENCIES[sign.lower()], "named in the message")


def last_order(message: Message) -> Claim:
    """The customer's last order. The example has no shop behind it, so the id decides: 5.00 to 149.99."""
    customer = message.sender or message.id
    drawn = int.from_bytes(hashlib.sha256(f"order:{customer}".encode()).digest()[:4], "big")
    return Claim(Decimal(500 + drawn % 14500) / 100, "USD", "found in the order book")


def _decimal(written: str) -> Decimal:
    if re.fullmatch(r"\d+,\d{1,2}", written):  # 45,50 as much of the world writes it
        return Decimal(written.replace(",", "."))
    return Decimal(written.replace(",", ""))
