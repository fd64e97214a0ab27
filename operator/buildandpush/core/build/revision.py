"""The commit of a run: asked for before there is a pod where something depends on it, and then held fast."""

from datetime import datetime
from typing import Final

from buildandpush.api.meta import ConditionType
from buildandpush.api.reasons import Reason
from buildandpush.api.sources.git import GitSource
from buildandpush.api.spec import BuildAndPushACRSpec
from buildandpush.api.status import BuildAndPushACRStatus, RunStatus, SourceStatus
from buildandpush.core.build.questions import AskCommit
from buildandpush.core.build.status import conditions_of, run_of, with_status
from buildandpush.core.build.world import World, answer
from buildandpush.core.conditions import ConditionValue
from buildandpush.core.explain import describe
from buildandpush.core.facts import Commit, FluxArtifact, GitRevision, Trouble
from buildandpush.core.naming import connector_name
from buildandpush.core.spec.codebase import Codebase
from buildandpush.core.spec.plan import BuildPlan
from buildandpush.core.text import clip

_MAX_TEXT: Final = 256


def revision_of(git: GitSource) -> GitRevision:
    """What the git server is asked about."""
    return GitRevision(
        url=git.url,
        revision=git.revision,
        secret=git.credentials_ref.name if git.credentials_ref else "",
        connector=connector_name(git.connector_ref) if git.connector_ref else "",
        ca_bundle=git.ca_bundle or "",
        ignore_host_key=bool(git.insecure_ignore_host_key),
    )


def find_codebase(spec: BuildAndPushACRSpec, run: RunStatus | None) -> Codebase | None:
    """What the run's commit gives to expressions; None where it is not known."""
    if spec.source.git is None or run is None or run.source is None or run.source.commit is None:
        return None
    return make_codebase(spec.source.git, run.source)


def find_artifact(run: RunStatus) -> FluxArtifact | None:
    """The artifact of Flux that the run holds fast; None where it is not known, or the source is of another kind."""
    source = run.source
    if source is None or source.url is None or source.digest is None:
        return None
    return FluxArtifact(source.url, source.digest, source.revision or "")


def make_codebase(git: GitSource, source: SourceStatus) -> Codebase:
    """What a commit in the status gives to expressions."""
    return Codebase(git.url, source.commit or "", source.ref or "", source.author or "", source.message or "")


def found_codebase(spec: BuildAndPushACRSpec, found: Commit) -> Codebase | None:
    """What a commit that was just found gives to expressions."""
    git = spec.source.git
    return make_codebase(git, describe_source(git, found)) if git is not None else None


def ask_commit(world: World, plan: BuildPlan, since: datetime) -> Commit | Trouble | None:
    """The commit that the plan's revision is at, at this time or later; None while the server is being asked."""
    return answer(world, AskCommit(revision_of(_git_of(plan)), since, details=plan.wants_details))


def describe_source(git: GitSource, found: Commit, *, previous: str | None = None) -> SourceStatus:
    """The commit as a status holds it. `previous` is the one that the revision was at before."""
    return SourceStatus(
        revision=git.revision or None,
        commit=found.commit,
        ref=clip(found.ref, _MAX_TEXT) or None,
        author=clip(found.author, _MAX_TEXT) or None,
        message=clip(found.message, _MAX_TEXT) or None,
        previous_commit=previous,
    )


def pin(world: World, plan: BuildPlan, found: Commit) -> World:
    """The world whose run builds this commit, whatever becomes of the revision, and has the tags that follow from it.

    Raises SpecInvalidError where something in the spec cannot be made from this commit.
    """
    run, git = run_of(world), _git_of(plan)
    source = describe_source(git, found)
    changed = run.model_copy(update={"source": source})
    world = with_status(world, world.resource.status.model_copy(update={"run": changed}))
    return with_status(world, note_polled(world)) if plan.poll is not None else world


def describe_artifact(found: FluxArtifact) -> SourceStatus:
    """The artifact of a Flux object as a status holds it."""
    return SourceStatus(revision=clip(found.revision, _MAX_TEXT) or None, digest=found.digest, url=found.url)


def pin_artifact(world: World, found: FluxArtifact) -> World:
    """The world whose run builds this artifact, whatever the Flux object fetches meanwhile."""
    changed = run_of(world).model_copy(update={"source": describe_artifact(found)})
    return with_status(world, world.resource.status.model_copy(update={"run": changed}))


def _git_of(plan: BuildPlan) -> GitSource:
    if plan.source.git is None:
        raise ValueError("only source.git has a revision")
    return plan.source.git


def note_polled(world: World) -> BuildAndPushACRStatus:
    """The status after the git server has told what the revision is at."""
    return _note(world, "True", Reason.SOURCE_POLLED, describe(Reason.SOURCE_POLLED))


def note_not_polled(world: World, trouble: Trouble) -> BuildAndPushACRStatus:
    """The status while the git server does not tell."""
    return _note(world, "False", trouble.reason, describe(trouble.reason, trouble.message))


def _note(world: World, value: ConditionValue, reason: Reason, message: str) -> BuildAndPushACRStatus:
    conditions = conditions_of(world)
    conditions.set(ConditionType.SOURCE_POLLED, value, reason, message)
    return world.resource.status.model_copy(update={"conditions": conditions.as_list()})
