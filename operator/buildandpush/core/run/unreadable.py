"""A status that cannot be read: an older CRD has pruned a field, or somebody has edited it by hand.

Nothing is decided from such a status. It may be that of a run on its way, and a second run must not start beside it.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import ValidationError

from buildandpush.api.meta import ConditionType
from buildandpush.api.reasons import Reason
from buildandpush.api.status import BuildAndPushACRStatus, Condition
from buildandpush.core.build.status import announce, conditions_of
from buildandpush.core.build.world import Decision, World
from buildandpush.core.explain import describe, explain_value, name_field
from buildandpush.core.foreign import admit_line

_MAX_WORDS: Final = 256


def read_status(raw: Mapping[str, Any]) -> tuple[BuildAndPushACRStatus, str]:
    """A stored status, and why it cannot be read; empty where it can. Of one that cannot be read only what tells of the
    resource's state is given back."""
    try:
        status = BuildAndPushACRStatus.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = f"status.{name_field(first, raw)}".removesuffix(".")
        return _readable_part(raw), admit_line(f"{field}: {explain_value(first)}", size=_MAX_WORDS)
    wrong = _find_contradiction(status)
    return (_readable_part(raw), wrong) if wrong else (status, "")


def _find_contradiction(status: BuildAndPushACRStatus) -> str:
    """What the types do not say: every run has a build, whose key is its number."""
    run = status.run
    if run is None:
        return ""
    if not run.builds:
        return "status.run.builds: it is empty"
    for place, build in enumerate(run.builds):
        if not (build.key.isascii() and build.key.isdigit()):
            return f"status.run.builds.{place}.key: {build.key!r} is no number"
    return ""


def _readable_part(raw: Mapping[str, Any]) -> BuildAndPushACRStatus:
    observed = raw.get("observedGeneration")
    return BuildAndPushACRStatus(
        observed_generation=observed if isinstance(observed, int) else -1,
        conditions=list(_readable_conditions(raw.get("conditions"))),
    )


def _readable_conditions(raw: Any) -> Iterator[Condition]:
    for item in raw if isinstance(raw, list) else ():
        try:
            yield Condition.model_validate(item)
        except ValidationError:
            continue


def tell_unreadable(world: World) -> Decision:
    """Say what cannot be read and what helps. The rest of the status stays as it is."""
    owner, status = world.resource.owner, world.resource.status
    named = f"buildandpushacr {owner.name} -n {owner.namespace} --subresource=status"
    remedy = (
        f"Correct it with kubectl edit {named}. Or empty the status, and the resource begins anew with run 1: kubectl "
        f"patch {named} "
        """--type=merge --patch '{"status":null}'"""
    )
    message = describe(Reason.STATUS_UNREADABLE, world.resource.unreadable, remedy)
    conditions = conditions_of(world)
    conditions.set(ConditionType.READY, "False", Reason.STATUS_UNREADABLE, message)
    conditions.set(ConditionType.STALLED, "True", Reason.STATUS_UNREADABLE, message)
    conditions.drop(ConditionType.RECONCILING)
    after = status.model_copy(update={"conditions": conditions.as_list()})
    event = announce(world, Reason.STATUS_UNREADABLE, message)
    return Decision(after, (event,) if after != status else ())


def recover_status(world: World) -> BuildAndPushACRStatus:
    """A status that can be read again: Ready and Stalled follow from its other conditions, as ever."""
    status = world.resource.status
    told = next((item for item in status.conditions if item.type == ConditionType.READY), None)
    if told is None or told.reason != Reason.STATUS_UNREADABLE:
        return status
    return status.model_copy(update={"conditions": conditions_of(world).freeze()})
