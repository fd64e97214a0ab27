"""The end of a run: what its builds pushed, links to it, a line in the history, and the request that it answers."""

from datetime import datetime
from typing import Any

from buildandpush.api.meta import ConditionType, Phase
from buildandpush.api.reasons import Reason
from buildandpush.api.spec import History
from buildandpush.api.status import Artifact, BuildAndPushACRStatus, BuildStatus, RunStatus
from buildandpush.core.build.questions import AskLinks
from buildandpush.core.build.status import conditions_of, with_status
from buildandpush.core.build.world import World, answer
from buildandpush.core.conditions import ConditionSet
from buildandpush.core.explain import describe
from buildandpush.core.facts import Links
from buildandpush.core.run.artifacts import bound_artifacts, build_artifact_file, build_artifacts, build_image_links
from buildandpush.core.run.builds import effective_of
from buildandpush.core.run.outcome import outcome_of
from buildandpush.core.run.rebuild import end_request
from buildandpush.core.run.retention import add_to_history


def conclude(
    world: World, status: BuildAndPushACRStatus, run: RunStatus, finished_at: datetime
) -> BuildAndPushACRStatus:
    """The status of a run that has ended. Its builds have ended, and the conditions tell how."""
    end = outcome_of(run)
    changes: dict[str, Any] = {
        "run": run,
        "phase": end.phase,
        "history": add_to_history(status.history, run, finished_at, _history_limits(world)),
        **end_request(run, end.phase),
    }
    if end.phase == Phase.SUCCEEDED:
        changes |= _tell_images(world, status, run)
    conditions = conditions_of(with_status(world, status.model_copy(update=changes)))
    if conditions.is_(ConditionType.SPEC_VALID, "False"):
        changes["phase"] = Phase.INVALID
    return status.model_copy(update=changes)


def _tell_images(world: World, status: BuildAndPushACRStatus, run: RunStatus) -> dict[str, Any]:
    """What a good run pushed. One that pushed nothing leaves the last pushed image, which is no artifact of it."""
    changes: dict[str, Any] = {"good_spec_hash": run.spec_hash, "artifacts": [], "artifacts_omitted": None}
    changes["artifact_file"] = None
    pushed = [build for build in run.builds if build.digest is not None]
    if not pushed:
        return changes
    links = {build.key: _find_links(world, run, build) for build in pushed}
    artifacts = [item for build in pushed for item in _list_artifacts(run, build, links[build.key])]
    kept, omitted = bound_artifacts(artifacts)
    changes["artifacts"], changes["artifacts_omitted"] = kept, omitted or None
    changes["artifact_file"] = build_artifact_file(world.resource.spec, artifacts)
    changes["digest"] = changes["image"] = changes["links"] = None
    if len(run.builds) == 1:  # several images have no digest in common
        digest = pushed[0].digest or ""
        changes |= {
            "digest": digest,
            "image": pushed[0].image,
            "links": build_image_links(run.effective.repository, digest),
        }
    conditions = conditions_of(with_status(world, status))
    _set_links(conditions, [found for found in links.values() if found is not None])
    changes["conditions"] = conditions.freeze()
    return changes


def _list_artifacts(run: RunStatus, build: BuildStatus, links: Links | None) -> list[Artifact]:
    return build_artifacts(effective_of(run, build).repository, build.tags, build.digest or "", links)


def _find_links(world: World, run: RunStatus, build: BuildStatus) -> Links | None:
    """The portal's links, if the spec names a subscription."""
    effective = effective_of(run, build)
    if not effective.subscription or not effective.connector:
        return None
    return answer(world, AskLinks(effective.repository, tuple(build.tags), effective.connector, effective.subscription))


def _set_links(conditions: ConditionSet, found: list[Links]) -> None:
    """The condition LinksResolved: the first that could not be resolved counts for all."""
    if not found:
        return
    shown = next((links for links in found if links.reason is not Reason.LINKS_RESOLVED), found[0])
    resolved = shown.reason is Reason.LINKS_RESOLVED
    message = describe(shown.reason, shown.message)
    conditions.set(ConditionType.LINKS_RESOLVED, "True" if resolved else "False", shown.reason, message)


def _history_limits(world: World) -> History | None:
    try:
        return History.model_validate(world.resource.spec.get("history") or {})
    except ValueError:
        return None
