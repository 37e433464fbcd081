"""Numbers as people say them."""

from __future__ import annotations

from decimal import Decimal


def span(seconds: float) -> str:
    """A window as people say it: `60 s`, `5 min`, `1 h`."""
    whole = int(seconds)
    for size, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if (whole > size and whole % size == 0) or (whole == size and size > 60):
            return f"{whole // size} {name}"
    return f"{whole} s"


def plain(number: Decimal | int) -> str:
    """A decimal without trailing zeros or exponent."""
    return f"{Decimal(number).normalize():f}"


def rounded(number: Decimal) -> str:
    """With one decimal place at most: `12.5`, `40`."""
    return plain(round(number, 1))


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def amount(number: Decimal, unit: str) -> str:
    """`$1.25` or `12,000 tokens`."""
    if unit == "tokens":
        return f"{int(number):,} tokens"
    return f"${number:,.2f}" if number >= Decimal("0.01") or not number else f"${plain(number)}"
