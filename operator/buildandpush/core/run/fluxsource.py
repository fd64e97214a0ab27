"""The artifact of a Flux object: a run holds it fast for all its attempts, and a new one starts a run."""

from buildandpush.api.meta import Phase, Trigger
from buildandpush.api.status import BuildAndPushACRStatus, RunStatus
from buildandpush.core.build.questions import AskFluxArtifact
from buildandpush.core.build.revision import describe_artifact
from buildandpush.core.build.world import World, answer
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.facts import FluxArtifact, Waiting
from buildandpush.core.run.outcome import outcome_of
from buildandpush.core.run.planning import next_occasion, plan_next
from buildandpush.core.run.start import next_run_number, start_run
from buildandpush.core.spec.plan import parse_spec
from buildandpush.core.spec.strategy import is_met


def look(world: World) -> BuildAndPushACRStatus | None:
    """The status of a resource whose next run builds a new artifact, or that passes over one; None where there is
    nothing new. The last run has ended."""
    run, raw = world.resource.status.run, world.resource.spec
    if run is None or raw.get("suspend") or not _is_named(world):
        return None
    try:
        spec = parse_spec(raw)
        number = next_run_number(spec, run)
        builds = plan_next(world, spec, number)
        flux = builds[0].plan.flux
    except SpecInvalidError:  # the status says so since the spec was changed
        return None
    found = answer(world, AskFluxArtifact(*flux)) if flux is not None else None
    if found is None or isinstance(found, Waiting) or not _is_new(world, run, found):
        return None
    if not is_met(spec, next_occasion(world, number)) or _was_cancelled_before(world, run):
        return world.resource.status.model_copy(update={"polled_commit": _hex(found)})
    return start_run(world, spec, builds, Trigger.SOURCE_REVISION, describe_artifact(found))


def _is_named(world: World) -> bool:
    """Whether the source is an object of Flux. Most are not, and of those nothing more is read here."""
    source = world.resource.spec.get("source")
    return isinstance(source, dict) and isinstance(source.get("fluxSource"), dict)


def _is_new(world: World, run: RunStatus, found: FluxArtifact) -> bool:
    built = run.source.digest if run.source is not None else None
    return found.digest != built and _hex(found) != world.resource.status.polled_commit


def _was_cancelled_before(world: World, run: RunStatus) -> bool:
    """Whether somebody cancelled the run before its artifact was known. The next artifact starts a run."""
    unknown = run.source is None or run.source.digest is None
    return unknown and outcome_of(run).phase == Phase.CANCELLED and world.resource.status.polled_commit is None


def _hex(found: FluxArtifact) -> str:
    return found.digest.partition(":")[2]
