"""What may start a run anew after a failure though its spec is the same: a Secret that cures it, an API server that
takes its pod by now, or the time after an outage."""

from datetime import datetime, timedelta
from typing import Final

from buildandpush.api.reasons import Reason
from buildandpush.api.status import RunStatus
from buildandpush.core import naming
from buildandpush.core.backoff import is_due, refusal_seconds, slow_down
from buildandpush.core.build.questions import AskAdmission, AskInputs
from buildandpush.core.build.status import derive_needs
from buildandpush.core.build.world import World, answer
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.facts import LoginSecretRef
from buildandpush.core.fingerprint import is_fingerprint
from buildandpush.core.pod.manifest import Attempt, build_pod_manifest
from buildandpush.core.run.outcome import failed_builds
from buildandpush.core.run.planning import plan_next
from buildandpush.core.run.start import is_due_again, is_retryable, next_run_number
from buildandpush.core.spec.builds import PlannedBuild
from buildandpush.core.spec.plan import parse_spec
from buildandpush.core.spec.spechash import hash_spec

_LEAST_POLL: Final = timedelta(seconds=10)
_MOST_POLL: Final = timedelta(minutes=15)
"""How often a failed run's Secrets are looked at again: nothing tells the operator of their changes. Whoever corrects
one does so soon after the failure, and waits for the new run."""

_CURED_BY_LOGIN: Final = frozenset(
    {
        Reason.PUSH_UNAUTHORIZED,
        Reason.PUSH_DENIED,
        Reason.BASE_IMAGE_DENIED,
        Reason.BASE_IMAGE_NOT_FOUND,  # which some registries say to a login that may not know of an image
    }
)
"""Reasons that another content of a connector's Secret may cure."""
_CURED_BY_INPUTS: Final = _CURED_BY_LOGIN | {
    Reason.RUN_FAILED,
    Reason.BUILD_FAILED,
    Reason.DOCKERFILE_INVALID,
    Reason.COPIED_FILE_NOT_FOUND,
    Reason.SOURCE_DENIED,
    Reason.SOURCE_HOST_KEY,
}
"""Reasons that another build argument, build secret or login to the git server may cure."""
_ANY_LOGIN: Final = LoginSecretRef("buildandpush-login")
"""Of a pod that is only offered: the API server does not look whether its Secrets exist."""


def has_surroundings_changed(world: World) -> bool:
    """Whether something outside of the spec that made the last run fail is another now."""
    last = world.resource.status.run
    if last is None or not is_retryable(last) or world.resource.spec.get("suspend"):
        return False
    return _have_inputs_changed(world, last) or _is_pod_taken(world, last)


def next_look(world: World) -> datetime | None:
    """When a failed run is looked at again; None where only an event can change anything."""
    last = world.resource.status.run
    if last is None or last.finished_at is None or not is_retryable(last) or world.resource.spec.get("suspend"):
        return None
    times = [last.next_run_at if not is_due_again(world) else None, _next_offer(world, last)]
    if _watched_inputs(world, last) is not None:
        times.append(world.now + slow_down(world.now - last.finished_at, _LEAST_POLL, _MOST_POLL))
    return min((at for at in times if at is not None), default=None)


# ---- Secrets and ConfigMaps


def _have_inputs_changed(world: World, last: RunStatus) -> bool:
    """Whether something of what the run used has another content now. What an operator of an older version wrote down
    says nothing of the content."""
    question = _watched_inputs(world, last)
    if question is None:
        return False
    known = last.inputs or {}
    build_inputs = {place for place, _ in question.keys}
    login_counts = _may_login_cure(last)
    now = dict(answer(world, question).versions)
    return any(
        now[place] != known.get(place)
        for place in now
        if (login_counts or place in build_inputs) and is_fingerprint(known.get(place, now[place]))
    )


def _watched_inputs(world: World, last: RunStatus) -> AskInputs | None:
    """What to ask about the Secrets and ConfigMaps that may cure the failure; None: none can."""
    if not last.inputs or not _reasons_of(last) & _CURED_BY_INPUTS:
        return None
    keys = tuple(key for key in _input_keys(world) if key[0] in last.inputs)
    connectors = tuple(need.connector for need in derive_needs(last.effective)) if _may_login_cure(last) else ()
    return AskInputs(connectors, keys) if keys or connectors else None


def _input_keys(world: World) -> tuple[tuple[str, str], ...]:
    """The keys that the run used: its spec is today's, or another run would be due anyway."""
    try:
        builds = plan_next(world, parse_spec(world.resource.spec), 1)
    except SpecInvalidError:
        return ()
    return tuple(dict.fromkeys(key for build in builds for key in build.plan.input_keys))


def _may_login_cure(last: RunStatus) -> bool:
    """Whether another content of a connector's Secret may cure the failure."""
    of_source = last.effective.source_repository or last.effective.git_connector
    reasons = _reasons_of(last)
    return bool(reasons & _CURED_BY_LOGIN) or bool(Reason.SOURCE_DENIED in reasons and of_source)


def _reasons_of(last: RunStatus) -> set[str]:
    """Why builds of the run failed."""
    return {build.reason or "" for build in failed_builds(last)}


# ---- a pod that the API server refused


def _is_pod_taken(world: World, last: RunStatus) -> bool:
    """Whether the API server would take the pod that it refused: an administrator may have mended what it named."""
    if not _is_offered_again(world, _first_offer(world, last)):
        return False
    try:
        spec = parse_spec(world.resource.spec)
        number = next_run_number(spec, last)
        builds = plan_next(world, spec, number)
        refused = {build.key for build in failed_builds(last) if build.reason == Reason.POD_REFUSED}
        offered = next((build for build in builds if build.key in refused), None)
        return offered is not None and answer(world, _offer(world, offered, number, hash_spec(spec)))
    except SpecInvalidError:
        return False


def _offer(world: World, build: PlannedBuild, number: int, spec_hash: str) -> AskAdmission:
    owner, place = world.resource.owner, build.combination.index
    name = naming.build_pod_name(owner.name, owner.uid, run=number, build=place, attempt=1)
    attempt = Attempt(name, number, place, 1, spec_hash)
    manifest = build_pod_manifest(build.plan, owner=owner, attempt=attempt, login=_ANY_LOGIN, settings=world.settings)
    return AskAdmission(name, manifest)


def _first_offer(world: World, last: RunStatus) -> datetime | None:
    if Reason.POD_REFUSED not in _reasons_of(last) or last.finished_at is None:
        return None
    return last.finished_at + timedelta(seconds=refusal_seconds(world.settings.first_backoff_seconds))


def _is_offered_again(world: World, first: datetime | None) -> bool:
    """Whether the time of the first offer has come."""
    seconds = refusal_seconds(world.settings.first_backoff_seconds)
    return first is not None and is_due(first, world.now, seconds)


def _next_offer(world: World, last: RunStatus) -> datetime | None:
    first = _first_offer(world, last)
    if not _is_offered_again(world, first):
        return first
    return world.now + timedelta(seconds=refusal_seconds(world.settings.first_backoff_seconds))
