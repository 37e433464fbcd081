"""What a message can be about, and the words by which one tells.

The table serves twice: it is the fallback when the model fails, and the stand-in model's whole understanding.
A phrase scores by how rarely it says anything else: "top up" names its category, "card" hardly does.
"""

from __future__ import annotations

import re
from functools import lru_cache

CATEGORIES = {
    "card": "ordering, delivery, activation, PIN and acceptance of cards",
    "payment": "card payments that were declined, are pending or came back",
    "transfer": "money sent to or received from other accounts",
    "top-up": "adding money to the account",
    "cash": "cash machines, withdrawals and deposits of cash or cheques",
    "refund": "money the customer wants back, double charges, disputes",
    "fees-exchange": "fees, currencies and exchange rates",
    "security": "theft, loss, misuse, passcodes and blocked access",
    "identity": "proving who the customer is and where money comes from",
    "account": "opening, changing and closing an account",
}

OTHER = "other"

_PHRASES: dict[str, dict[str, float]] = {
    "card": {
        r"card": 1.2, r"(arriv|deliver|ship|track|post|mail)\w*": 1.3, r"activat\w+": 3,
        r"(virtual|disposable|physical|spare|extra|new|second|more) cards?": 2.4, r"\bpin\b": 2.6,
        r"contactless": 3, r"(visa|mastercard)": 2.4, r"link\w*": 1.6, r"expir\w+": 2.4,
        r"card.{0,25}(not|n't) work\w*": 1.5, r"accept\w* (my|the|this) card": 2,
        r"my card.{0,20}accepted": 2, r"(order|get|request|send)\w*.{0,20}card": 1.6,
        r"swallow\w*|stuck in|ate my card": 2, r"(apple|google) pay": 1.4, r"card.{0,15}broke\w*": 1.5,
    },
    "payment": {
        r"(card )?payments?": 1.6, r"declin\w+": 1.6, r"pending": 1, r"(paid|pay|paying)": 0.9,
        r"revert\w*": 1.5, r"purchas\w+|bought|shop|store|merchant": 1.2,
        r"payment.{0,30}(declin|pending|revert|cancel|fail|work|went|go)\w*": 2,
        r"(declin|pending|revert|cancel)\w*.{0,30}payment": 2, r"card.{0,20}declin\w+": 1.6,
    },
    "transfer": {
        r"transfer\w*|tranferr\w+": 3, r"beneficiar\w+|beneficiery": 3, r"recipient|receiver": 3,
        r"(sent|send|sending) (some )?money": 2.6, r"salary|get paid|paid in": 2.2, r"wire": 2,
        r"(cancel|undo)\w*.{0,20}(transaction|transfer)": 1.8, r"to (a|my) friend": 1.5,
        r"(swift|sepa|iban)": 2.2, r"balance.{0,30}(updat|chang|reflect|show)\w*": 1.2,
    },
    "top-up": {
        r"top(ping|ped|s)?[ -]?ups?|top-?up|top(ping|ped)? (it |my \w+ )?up": 4, r"auto[ -]?top": 3,
        r"add(ing)? money|load\w* money|refill": 2.4, r"(apple|google) pay|apple watch": 1.6,
        r"top (off|my|a|with|using)|topp\w+": 2.4,
    },
    "cash": {
        r"\batms?\b|cash machine|cashpoint|cash point": 3.2, r"withdr\w+": 3, r"\bcash\b": 2,
        r"che(que|ck) (deposit|paid)|cheques?": 2.6, r"deposit\w*": 1.8,
        r"take out money|get money out|cash back": 1.8,
    },
    "refund": {
        r"refund\w*": 4.5, r"money back": 4, r"charged? (me )?(twice|two times|multiple|double)": 4,
        r"(twice|double|duplicate|multiple times|more than once)": 2.2, r"reimburs\w+|chargeback": 4,
        r"(return|returned|sent back) (an?|the|my|some) (item|purchase|order|goods)": 3,
        r"dispute": 3, r"(cancel|reverse)\w*.{0,15}(purchase|order|a payment)": 2.4, r"seller": 2,
        r"devol\w+|reembols\w+": 4,
    },
    "fees-exchange": {
        r"\bfees?\b|surcharge": 3.2, r"charg(e|ed|es|ing)\b": 1.6, r"exchang\w+": 3, r"rates?\b": 2.4,
        r"currenc\w+|fiat|foreign": 2.2, r"(how much|cost|price|discount)": 1.3, r"\bextra\b": 1,
        r"\b(eur|gbp|usd|aud|rubles?|pounds?|dollars?|euros?)\b": 0.8, r"crypto\w*": 1,
        r"overcharg\w+|charged (more|extra)": 2, r"convert\w*": 2, r"free": 1,
    },
    "security": {
        r"stolen|stole|theft|robbed|mugged": 4, r"\blost\b|lose|missing|misplaced": 2.6,
        r"compromis\w+|hack\w+|fraud\w*|scam\w*": 4, r"freeze|frozen|block(ed)? my card": 3,
        r"(someone|somebody).{0,30}(us|access|withdr|took|taking|my card)\w*": 2.6,
        r"(not|n't|never|didn't) (recogni[sz]e|make|made|authori[sz]e|do)\b": 2.6, r"unauthori[sz]ed": 4,
        r"(strange|suspicious|unknown|unfamiliar|weird)": 2.4, r"passcode|password|log ?in": 3.4,
        r"(pin|account|card).{0,20}(block|lock)\w*": 2.6, r"unblock|locked out": 3.2, r"my phone": 2,
        r"(not|isn't|n't) mine|not me\b": 2.4, r"recogni[sz]e|direct debit": 2.2,
    },
    "identity": {
        r"identit\w+|identification|\bid\b": 3.6, r"verif\w+": 2.2, r"source of (my |the )?\w*": 3,
        r"prove|proof": 2, r"who i (say i )?am|it's me|its me": 3, r"documents?|passport|selfie": 2,
        r"(funds|money) (come|comes|coming|came)\b.{0,6}(from)?": 2.6, r"origin\w*": 1.6,
    },
    "account": {
        r"(close|delete|terminate|cancel|quit|deactivate)\w*.{0,25}account": 4, r"get rid of": 2,
        r"(change|update|edit)\w*.{0,25}(name|address|details|number|email)": 4, r"married|moved": 2,
        r"how (old|young)|age\b|\bkids?\b|child(ren)?|daughter|\bson\b|years old|teen\w*": 3,
        r"(open|set up|create)\w*.{0,20}account": 2.6, r"countr(y|ies)": 2, r"personal details": 4,
        r"\b(live|living|based) in\b": 1.6, r"support(ed)? (in|the)\b|outside (of )?the": 1.4,
        r"account": 0.6, r"address|details": 1.4,
    },
}  # fmt: skip

_COMPILED = [
    (category, re.compile(rf"\b(?:{pattern})", re.IGNORECASE), weight)
    for category, phrases in _PHRASES.items()
    for pattern, weight in phrases.items()
]


@lru_cache(maxsize=4096)
def scores(text: str) -> tuple[tuple[str, float], ...]:
    """Categories with a score above nothing, best first. A long ramble scores no higher than a sentence."""
    found: dict[str, float] = {}
    for category, phrase, weight in _COMPILED:
        if phrase.search(text, 0, 4000):
            found[category] = found.get(category, 0.0) + weight
    return tuple(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))


def by_keywords(text: str) -> str | None:
    """The category whose words stand out, or None when nothing does."""
    ranked = scores(text)
    if not ranked or ranked[0][1] < 1.5:
        return None
    if len(ranked) > 1 and ranked[0][1] - ranked[1][1] < 0.3:
        return None
    return ranked[0][0]
