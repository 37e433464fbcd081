"""From a request's bytes to what was done, trace by trace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from uuid import UUID

import msgspec

from ..rules.digest import item_of
from ..rules.done import Done, moment
from . import dialects, json_form, protobuf
from .content import Unstorable, as_json, digest_of, digest_of_text, encode
from .spans import Span, Unfit

OLDEST_NS = 946_684_800 * 10**9
SKEW_NS = 5 * 60 * 10**9
NUL = "Text must not contain the character U+0000."
LONGEST_MS = 2**31 - 1

DECODERS: dict[str, Callable[[bytes], Iterator[Span | Unfit]]] = {
    "application/x-protobuf": protobuf.spans,
    "application/json": json_form.spans,
}


class Root(msgspec.Struct, gc=False):
    """A trace's outermost span: it ended, and so did the run."""

    name: str
    failed: bool
    error: str
    ended_at: datetime


class Trace(msgspec.Struct, kw_only=True):
    """What one request tells of one run."""

    trace_id: str
    run_id: UUID | None
    """The run that the agent named, if any."""
    name: str = ""
    """What else it may be called, until its root tells: agent, workflow or service."""
    session: str = ""
    root: Root | None = None
    done: list[Done] = []

    @property
    def is_about_an_agent(self) -> bool:
        return bool(self.done or self.name)


class Export(msgspec.Struct, kw_only=True):
    """One request, read."""

    traces: list[Trace]
    spans: int
    rejected: int = 0
    why: str = ""


def read(body: bytes, encoding: str, *, now_ns: int) -> Export:
    """Decode a request. Raises Malformed."""
    traces: dict[tuple[str, str], Trace] = {}
    seen = rejected = 0
    why = ""
    for span in DECODERS[encoding](body):
        seen += 1
        wrong = span.why if isinstance(span, Unfit) else take(traces, span, now_ns)
        if wrong:
            rejected, why = rejected + 1, why or wrong
    return Export(traces=list(traces.values()), spans=seen, rejected=rejected, why=why)


def take(traces: dict[tuple[str, str], Trace], span: Span, now_ns: int) -> str:
    """Add one span to its trace; returns why it cannot be stored, if so."""
    held = span.attributes
    sort = dialects.sort_of(held)
    done = None
    if sort in ("model", "tool"):
        try:
            done = model_call(span, now_ns) if sort == "model" else tool_call(span, now_ns)
        except Unstorable:
            return NUL
        if wrong := too_long(done):
            return wrong
    named = held.get("watchfloor.run.id") or span.resource.get("watchfloor.run.id") or ""
    key = (span.trace_id, str(named))
    trace = traces.get(key)
    if trace is None:
        trace = Trace(trace_id=span.trace_id, run_id=uuid_of(str(named)), done=[])
        traces[key] = trace
    if done is not None:
        trace.done.append(done)
    tell(trace, span, sort, now_ns)
    return ""


def tell(trace: Trace, span: Span, sort: dialects.Sort, now_ns: int) -> None:
    """What the span says of its run."""
    held = span.attributes
    if sort != "other":
        if not trace.session:
            trace.session = clean(
                dialects.text(held, dialects.SESSION)
                or dialects.text(span.resource, dialects.SESSION)
            )
        name = dialects.text(held, dialects.AGENT)
        if name or not trace.name:
            service = str(span.resource.get("service.name") or "")
            trace.name = clean(name or service) or f"trace {span.trace_id[:8]}"
    if span.is_root:
        failed = has_failed(span)
        trace.root = Root(
            name=clean(span.name),
            failed=failed,
            error=clean(error_text(span), 20_000) if failed else "",
            ended_at=moment(micros(span.end_ns, now_ns)),
        )


def model_call(span: Span, now_ns: int) -> Done:
    """An inference. Two are the same item only when all that was said to the model is the same."""
    held = span.attributes
    model = dialects.text(held, dialects.MODEL)
    operation = dialects.text(held, ("gen_ai.operation.name", "llm.request.type"))
    provider = dialects.text(held, dialects.PROVIDER)
    tool = model or "/".join(filter(None, (provider, operation))) or span.name or "model"
    given, made = dialects.said(held), dialects.answered(held)
    done = begun(span, now_ns, tool=tool, kind="model")
    done.is_step = False
    done.model = model
    if given is None:
        done.digest = digest_of_text(done.call_id)
    else:
        given_json, _ = as_json(given)
        done.arguments_json = f'{{"input":{given_json}}}'
        whole = given if isinstance(given, str) else given_json
        done.digest = digest_of_text(tool, done.subject, whole)
        done.item = item_of(subject=done.subject, digest=done.digest)
    if made is not None:
        done.result_json = as_json(made)[0]
    done.input_tokens, done.output_tokens, done.cached_tokens = dialects.tokens(held)
    done.cost_usd = dialects.cost(held)
    return done


def tool_call(span: Span, now_ns: int) -> Done:
    held = span.attributes
    tool = dialects.text(held, dialects.TOOL) or span.name.removeprefix("execute_tool ") or "tool"
    done = begun(span, now_ns, tool=tool, kind="tool")
    given = dialects.content(held, dialects.TOOL_INPUT)
    if given is None:
        done.digest = digest_of_text(done.call_id)
    else:
        given_json, value = as_json(given)
        if isinstance(value, dict) and isinstance(inner := value.get("inputs"), dict):
            # OpenLLMetry wraps them together with tags and metadata, which differ from call to call.
            value = inner
            given_json = encode(inner).decode()
        if not isinstance(value, dict):
            value = {"input": given}
            given_json = f'{{"input":{given_json}}}'
        done.arguments_json = given_json
        done.digest = digest_of(tool, done.subject, given_json, value)
        done.item = item_of(subject=done.subject, digest=done.digest)
    made = dialects.content(held, dialects.TOOL_OUTPUT)
    call = dialects.text(held, dialects.CALL_ID)
    if made is not None:
        done.result_json, value = as_json(made)
        if isinstance(value, dict) and value.get("type") == "tool" and "data" in value:
            # LangChain's message around it, with an id that differs from call to call.
            data = value["data"] if isinstance(value["data"], dict) else {}
            done.result_json = encode(data.get("content")).decode()
            call = call or str(data.get("tool_call_id") or "")
    if call:
        done.also_called = (call[:200],)
    return done


def begun(span: Span, now_ns: int, *, tool: str, kind: str) -> Done:
    """What every span says. Without arguments nobody knows whether two calls are the same: each is an item."""
    failed = has_failed(span)
    subject = dialects.text(span.attributes, ("watchfloor.subject",))
    call_id = f"{span.trace_id}.{span.span_id}"
    return Done(
        call_id=call_id,
        tool=tool,
        kind=kind,
        subject=subject,
        item=subject or f"span:{call_id}",
        digest=b"",
        failed=failed,
        error_json=error_json(span) if failed else None,
        started_us=micros(span.start_ns or span.end_ns, now_ns),
        ended_us=micros(span.end_ns or span.start_ns, now_ns),
        duration_ms=min(max(span.end_ns - span.start_ns, 0) // 10**6, LONGEST_MS)
        if span.start_ns and span.end_ns
        else None,
        is_action=dialects.text(span.attributes, ("watchfloor.action.id",)),
    )


def has_failed(span: Span) -> bool:
    """Its status says so, or it names an error, which the conventions allow only for failures."""
    return span.is_error or bool(span.attributes.get("error.type"))


def error_text(span: Span) -> str:
    told = span.exception.message if span.exception else ""
    return span.message or told or str(span.attributes.get("error.type") or "")


def error_json(span: Span) -> str:
    told = span.exception.type if span.exception else ""
    return encode(
        {
            "type": clean(str(span.attributes.get("error.type") or told)),
            "message": clean(error_text(span), 20_000),
        }
    ).decode()


def too_long(done: Done) -> str:
    """Why the database would refuse it; empty when it would not."""
    for name, text, most in (
        ("name of a tool or model", done.tool, 200),
        ("model", done.model, 120),
        ("subject", done.subject, 500),
    ):
        if len(text) > most:
            return f"A {name} is longer than {most} characters."
        if "\0" in text:
            return NUL
    return NUL if any("\0" in call for call in done.also_called) else ""


def clean(text: str, most: int = 200) -> str:
    return text[:most].replace("\0", "")


def micros(ns: int, now_ns: int) -> int:
    """Microseconds since 1970 within reason: a clock that was never set tells 1970, one that runs ahead is drawn back."""
    if not OLDEST_NS <= ns <= now_ns + SKEW_NS:
        ns = max(OLDEST_NS, min(ns or now_ns, now_ns + SKEW_NS))
    return ns // 1000


def uuid_of(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
