"""Checkpoints: state with a version, so that two processes cannot overwrite each other unseen."""

from __future__ import annotations

from watchfloor import protocol
from watchfloor.cancelling import stop_if_requested
from watchfloor.core import Core, ask
from watchfloor.effects import Flow
from watchfloor.errors import ApiError, VersionConflict
from watchfloor.flows.opening import opened
from watchfloor.jsonable import jsonable
from watchfloor.models import Json
from watchfloor.state import RunState


def save(
    core: Core, run: RunState, state: Json, name: str, expected_version: int | None, force: bool
) -> Flow[int]:
    """The new version. Expects the version this run last saw. Raises VersionConflict."""
    stop_if_requested()
    run_id = yield from opened(core, run)
    body: dict[str, Json] = {"state": jsonable(state)}
    if not force:
        seen = run.saved_versions.get(name, 0)
        body["expected_version"] = seen if expected_version is None else expected_version
    try:
        answer = yield from ask(core, protocol.save(run_id, name, body), until=run.cancelled)
    except VersionConflict:
        # Our own save may have arrived and its answer been lost.
        there = yield from ask(core, protocol.load(run_id, name))
        if there["version"] != body["expected_version"] + 1 or there["state"] != body["state"]:
            raise
        answer = there
    run.saved_versions[name] = int(answer["version"])
    return run.saved_versions[name]


def load(core: Core, run: RunState, name: str, default: Json) -> Flow[Json]:
    """The state, or `default` when none was saved."""
    run_id = yield from opened(core, run)
    try:
        answer = yield from ask(core, protocol.load(run_id, name), until=run.cancelled)
    except ApiError as error:
        if error.code != "no_checkpoint":
            raise
        run.saved_versions[name] = 0
        return default
    run.saved_versions[name] = int(answer["version"])
    return answer["state"]
