"""Refusals as the protocol tells them: `{"error": {type, code, message, param?, request_id}}`."""

from __future__ import annotations

import json

from audit.errors import Refused

STATUS = {
    "missing_idempotency_key": 400,
    "malformed_json": 400,
    "invalid": 400,
    "invalid_webhook_url": 400,
    "unsupported_delivery_type": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "too_large": 413,
    "webhook_verification_failed": 422,
    "rate_limited": 429,
    "internal": 500,
    "unavailable": 503,
}
"""HTTP status by code; every other refusal is a conflict."""

TYPES = {
    401: "authentication",
    403: "authorization",
    404: "not_found",
    409: "conflict",
    429: "rate_limit",
    500: "internal",
    503: "dependency",
}

TRY_AGAIN_S = 1


class Problem(Refused):
    """A refusal with its code, and the field that is wrong where there is one."""

    def __init__(self, code: str, detail: str, *, param: str = "", retry_after_s: int = 0) -> None:
        super().__init__(detail, code=code)
        self.param = param
        self.retry_after_s = retry_after_s


def envelope(refusal: Refused, request_id: str) -> tuple[int, bytes, dict[str, str]]:
    """Status, body and further headers."""
    status = STATUS.get(refusal.code, 409)
    told = {
        "type": TYPES.get(status, "invalid_request"),
        "code": refusal.code,
        "message": refusal.detail or "Refused.",
        "request_id": request_id,
    }
    if param := getattr(refusal, "param", ""):
        told["param"] = param
    headers = {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if wait := getattr(refusal, "retry_after_s", 0) or (TRY_AGAIN_S if status == 503 else 0):
        headers["Retry-After"] = str(wait)
    return status, json.dumps({"error": told}).encode(), headers
