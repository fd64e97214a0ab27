"""What a run of several builds keeps of each of them, when their steps are put together."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from buildandpush.api.meta import ConditionType, Phase
from buildandpush.api.reasons import Reason
from buildandpush.api.status import BuildCondition, BuildStatus, Condition, Failure, RunStatus, SourceStatus
from buildandpush.core.build.world import Announce, Decision, World
from buildandpush.core.run.builds import keep_conditions, name_build, single_out
from buildandpush.core.run.fold import BUILD_CONDITIONS, find_clash, fold
from tests.unit.core.factories import NOW, world
from tests.unit.core.run.several import Scene, matrix, pod_of

COMMIT, OTHER = "a" * 40, "b" * 40
Change = Callable[[RunStatus], RunStatus]


@pytest.fixture
def scene() -> Scene:
    """Four builds with pods that run."""
    found = Scene()
    found.settle()
    found.see(*map(pod_of, range(4))).settle()
    return found


def seen(scene: Scene) -> World:
    return world(scene.of, pods=tuple(scene.pods.values()), now=scene.now)


def change_run(scene: Scene, **fields: Any) -> None:
    run = scene.run.model_copy(update=fields)
    scene.of = replace(scene.of, status=scene.of.status.model_copy(update={"run": run}))


def step(scene: Scene, key: int, change: Change = lambda run: run) -> Decision:
    """A step of one build that changes its run so."""
    alone = single_out(seen(scene), scene.run, scene.build(key)).resource.status
    assert alone.run is not None
    return Decision(alone.model_copy(update={"run": change(alone.run)}))


def fold_runs(scene: Scene, changes: dict[int, dict[str, Any]]) -> RunStatus:
    """The run after steps that change these fields of their runs."""
    steps = {str(key): step(scene, key, lambda run, of=of: run.model_copy(update=of)) for key, of in changes.items()}
    run = fold(seen(scene), scene.run, steps).status.run
    assert run is not None
    return run


def fold_effective(scene: Scene, values: dict[int, dict[str, Any]]) -> RunStatus:
    """The run after steps with other values in force."""
    effective = scene.run.effective
    return fold_runs(scene, {key: {"effective": effective.model_copy(update=of)} for key, of in values.items()})


def fold_builds(scene: Scene, *builds: dict[str, Any]) -> Decision:
    """The decision for a run whose builds are as they are, but for these fields."""
    found = zip(scene.run.builds, builds, strict=True)
    changed = [BuildStatus(**{**build.model_dump(by_alias=False), **of}) for build, of in found]
    return fold(seen(scene), scene.run.model_copy(update={"builds": changed}), {})


def test_without_a_step_the_run_stays_as_it_is(scene: Scene) -> None:
    assert fold(seen(scene), scene.run, {}).status.run == scene.run


class TestValuesInForce:
    def test_a_build_keeps_a_repository_that_is_not_the_first_ones(self, scene: Scene) -> None:
        values = {"repository": "contoso.azurecr.io/other", "cache_repository": "contoso.azurecr.io/other/cache"}
        run = fold_effective(scene, {2: values})
        assert run.effective.repository == scene.run.effective.repository
        assert run.effective.cache_repository is None
        assert [(build.repository, build.cache_repository) for build in run.builds] == [
            (None, None), (None, None), ("contoso.azurecr.io/other", "contoso.azurecr.io/other/cache"), (None, None),
        ]  # fmt: skip

    def test_the_first_ones_repositories_are_the_runs(self, scene: Scene) -> None:
        values = {"repository": "contoso.azurecr.io/first", "cache_repository": "contoso.azurecr.io/first/cache"}
        run = fold_effective(scene, {0: values})
        assert (run.effective.repository, run.effective.cache_repository) == tuple(values.values())
        assert (run.builds[0].repository, run.builds[0].cache_repository) == (None, None)
        assert run.builds[1].repository == scene.run.effective.repository

    def test_all_other_values_are_those_of_the_latest_pods(self, scene: Scene) -> None:
        run = fold_effective(scene, {1: {"timeout_seconds": 77, "memory_limit": "3Gi"}})
        assert (run.effective.timeout_seconds, run.effective.memory_limit) == (77, "3Gi")


class TestInputs:
    def test_of_what_changed_between_builds_the_earliest_counts(self, scene: Scene) -> None:
        inputs = {1: {"inputs": {"secret/a": "1", "secret/b": "1"}}, 3: {"inputs": {"secret/a": "2", "secret/c": "1"}}}
        assert fold_runs(scene, inputs).inputs == {"secret/a": "1", "secret/b": "1", "secret/c": "1"}

    def test_what_the_run_knows_counts_before_what_its_builds_used(self, scene: Scene) -> None:
        change_run(scene, inputs={"secret/a": "0"})
        assert fold_runs(scene, {0: {"inputs": {"secret/a": "1"}}}).inputs == {"secret/a": "0"}

    def test_without_any_there_are_none(self, scene: Scene) -> None:
        assert fold_runs(scene, {0: {"inputs": None}}).inputs is None


class TestSource:
    @pytest.fixture(autouse=True)
    def _unknown(self, scene: Scene) -> None:
        """Nothing has told yet what it fetched."""
        change_run(scene, source=None)

    def test_what_all_have_fetched_is_the_runs(self, scene: Scene) -> None:
        first, second = SourceStatus(commit=COMMIT), SourceStatus(commit=COMMIT, digest="sha256:1")
        run = fold_runs(scene, {0: {"source": first}, 1: {"source": second}})
        assert run.source == SourceStatus(commit=COMMIT, digest="sha256:1")
        assert [build.source for build in run.builds] == [None] * 4

    def test_what_is_known_first_stays(self, scene: Scene) -> None:
        known = SourceStatus(commit=COMMIT, revision="main")
        run = fold_runs(scene, {0: {"source": known}, 1: {"source": SourceStatus(commit=COMMIT, revision="v1")}})
        assert run.source == known

    @pytest.mark.parametrize("field", ["commit", "digest"])
    def test_who_fetched_something_else_says_so(self, scene: Scene, field: str) -> None:
        common, own = SourceStatus(**{field: COMMIT}), SourceStatus(**{field: OTHER, "revision": "main"})
        run = fold_runs(scene, {0: {"source": common}, 2: {"source": own}})
        assert run.source == common
        assert [build.source for build in run.builds] == [None, None, own, None]

    def test_who_does_not_know_its_commit_fetched_nothing_else(self, scene: Scene) -> None:
        run = fold_runs(scene, {0: {"source": SourceStatus(commit=COMMIT)}, 1: {"source": SourceStatus(revision="v1")}})
        assert run.source == SourceStatus(commit=COMMIT, revision="v1")
        assert run.builds[1].source is None


class TestTheRun:
    def test_its_generation_is_the_latest_of_its_builds(self, scene: Scene) -> None:
        assert fold_runs(scene, {1: {"generation": 5}, 2: {"generation": 3}}).generation == 5

    def test_one_that_could_not_use_a_user_namespace_speaks_for_all(self, scene: Scene) -> None:
        assert fold_runs(scene, {1: {"without_user_namespace": True}}).without_user_namespace is True
        assert fold_runs(scene, {1: {}}).without_user_namespace is None

    def test_one_that_is_cancelled_speaks_for_all(self, scene: Scene) -> None:
        assert fold_runs(scene, {3: {"cancelled": True}}).cancelled is True
        assert fold_runs(scene, {3: {}}).cancelled is None

    @pytest.mark.parametrize("field", ["stopping_at", "next_run_at"])
    def test_the_earliest_time_counts(self, scene: Scene, field: str) -> None:
        later = NOW + timedelta(minutes=1)
        assert getattr(fold_runs(scene, {0: {field: later}, 2: {field: NOW}}), field) == NOW
        assert getattr(fold_runs(scene, {0: {}}), field) is None

    def test_one_that_gave_way_is_looked_at_at_once(self, scene: Scene) -> None:
        ended = {"phase": Phase.SUPERSEDED, "reason": Reason.SUPERSEDED}
        decision = fold_builds(scene, ended, ended, ended, {"phase": Phase.SUCCEEDED})
        assert decision.status.phase == Phase.SUPERSEDED
        assert decision.wake_at == scene.now

    def test_one_that_has_ended_otherwise_needs_no_look(self, scene: Scene) -> None:
        decision = fold_builds(scene, *([{"phase": Phase.SUCCEEDED, "reason": Reason.SUCCEEDED}] * 4))
        assert decision.status.run is not None
        assert decision.status.run.finished_at == scene.now
        assert decision.wake_at is None
        assert [type(action) for action in decision.actions] == [Announce]

    def test_an_ignored_failure_says_what_failed(self, scene: Scene) -> None:
        ended = {"phase": Phase.IGNORED, "reason": Reason.BUILD_FAILED}
        status = fold_builds(scene, ended, *([{"phase": Phase.SUCCEEDED, "reason": Reason.SUCCEEDED}] * 3)).status
        found = next(item for item in status.conditions if item.type == ConditionType.SUCCEEDED)
        assert (found.status, found.reason) == ("True", Reason.IGNORED_FAILURE)
        assert f"{Reason.BUILDS_FAILED}: " in found.message
        assert "build 0 (os=alpine, python=3.12)" in found.message


class TestLength:
    ROOM = 24 * 1024 // 4

    def test_of_a_log_its_end_stays(self, scene: Scene) -> None:
        log = "x" * self.ROOM + "the end"
        failure = Failure.model_construct(container="kaniko", exit_code=7, log_tail=log)
        build = scene.build(1).model_copy(update={"failure": failure})
        builds = [build if found.key == "1" else found for found in scene.run.builds]
        run = fold(seen(scene), scene.run.model_copy(update={"builds": builds}), {}).status.run
        assert run is not None
        assert run.builds[1].failure == failure.model_copy(update={"log_tail": log[-self.ROOM :]})
        assert run.builds[0] == scene.build(0)

    def test_of_a_message_its_beginning_stays(self, scene: Scene) -> None:
        message = "the beginning " + "x" * self.ROOM
        builds = [found.model_copy(update={"message": message}) for found in scene.run.builds]
        run = fold(seen(scene), scene.run.model_copy(update={"builds": builds}), {}).status.run
        assert run is not None
        assert run.builds[0].message is not None
        assert run.builds[0].message.startswith("the beginning x")
        assert len(run.builds[0].message.encode()) == self.ROOM

    def test_what_fits_stays_whole(self, scene: Scene) -> None:
        failure = Failure.model_construct(log_tail="x" * self.ROOM)
        update = {"message": "y" * self.ROOM, "failure": failure}
        builds = [found.model_copy(update=update) for found in scene.run.builds]
        run = fold(seen(scene), scene.run.model_copy(update={"builds": builds}), {}).status.run
        assert run is not None
        assert run.builds == builds


def verified(status: str, message: str | None = None) -> dict[str, Any]:
    reason = Reason.VERIFIED if status == "True" else Reason.VERIFYING
    return {"conditions": [BuildCondition(type=ConditionType.VERIFIED, status=status, reason=reason, message=message)]}


class TestConditions:
    @pytest.mark.parametrize(
        ("builds", "told"),
        [
            ([verified("True")] * 4, ("True", Reason.VERIFIED, "")),
            ([verified("True")] * 3 + [{"conditions": None}], None),
            ([verified("True"), verified("Unknown", "soon"), verified("True"), {"conditions": None}],
             ("Unknown", Reason.VERIFYING, "Build 1 (os=alpine, python=3.13): soon")),
            ([verified("Unknown", "soon"), verified("True"), verified("False", "no"), verified("False", "nor this")],
             ("False", Reason.VERIFYING, "Build 2 (os=debian, python=3.12): no So it is with 1 more.")),
        ],
        ids=["all", "not all yet", "one that does not know", "one that is not, before one that does not know"],
    )  # fmt: skip
    def test_what_all_builds_say_together(
        self, scene: Scene, builds: list[dict[str, Any]], told: tuple[str, str, str] | None
    ) -> None:
        status = fold_builds(scene, *builds).status
        found = [item for item in status.conditions if item.type == ConditionType.VERIFIED]
        if told is None:
            assert found == []
            return
        value, reason, words = told
        assert (found[0].status, found[0].reason) == (value, reason)
        assert words in found[0].message


def test_two_builds_that_push_one_tag_are_told_at_the_field() -> None:
    scene = Scene(matrix())
    decision = scene.step()
    run = decision.status.run
    assert run is not None
    both = run.model_copy(update={"builds": [build.model_copy(update={"tags": ["1"]}) for build in run.builds]})
    status = decision.status.model_copy(update={"run": both})
    clash = find_clash(replace(decision, status=status))
    assert clash is not None
    assert str(clash).startswith("tags: build 0 (os=alpine, python=3.12) and build 1 (os=alpine, python=3.13) both")
    assert find_clash(replace(decision, status=status, actions=())) is None
    assert find_clash(replace(decision, status=status.model_copy(update={"run": None}))) is None


class TestOneOfSeveral:
    """The world in which a build is the only one of its run."""

    def test_it_has_its_own_values_and_source_and_no_wait_for_the_next_run(self, scene: Scene) -> None:
        own = SourceStatus(commit=OTHER)
        build = scene.build(2).model_copy(update={"repository": "contoso.azurecr.io/other", "source": own})
        run = scene.run.model_copy(update={"next_run_at": NOW, "source": SourceStatus(commit=COMMIT)})
        alone = single_out(seen(scene), run, build).resource.status
        assert alone.run is not None
        assert alone.run.builds == [build]
        assert alone.run.effective == run.effective.model_copy(update={"repository": "contoso.azurecr.io/other"})
        assert (alone.run.source, alone.run.next_run_at) == (own, None)
        other = single_out(seen(scene), run, scene.build(1)).resource.status.run
        assert other is not None
        assert other.source == SourceStatus(commit=COMMIT)

    def test_it_has_its_own_phase_and_conditions(self, scene: Scene) -> None:
        changes = {"phase": Phase.FAILED, "reason": Reason.BUILD_FAILED, "message": "it broke", **verified("True")}
        build = scene.build(2).model_copy(update=changes)
        alone = single_out(seen(scene), scene.run, build).resource.status
        assert alone.phase == Phase.FAILED
        told = {item.type: (item.status, item.reason, item.message) for item in alone.conditions}
        assert told[ConditionType.VERIFIED] == ("True", Reason.VERIFIED, "")
        assert told[ConditionType.SUCCEEDED] == ("Unknown", Reason.BUILD_FAILED, "it broke")
        kept = next(item for item in scene.of.status.conditions if item.type == ConditionType.SPEC_VALID)
        assert told[ConditionType.SPEC_VALID] == (kept.status, kept.reason, kept.message)

    def test_its_name_says_what_it_was_made_for(self) -> None:
        build = BuildStatus.model_construct(key="3", matrix={"os": "alpine", "python": "3"})
        assert name_build(build) == "build 3 (os=alpine, python=3)"
        assert name_build(build.model_copy(update={"matrix": None})) == "build 3"

    def test_of_a_condition_that_is_as_it_should_be_no_words_are_kept(self, scene: Scene) -> None:
        words = "It is so, for a long reason."
        given = [
            Condition(
                type=kind, status=status, observed_generation=1, last_transition_time=NOW, reason="R", message=words
            )
            for kind, status in (("Built", "True"), ("Pushed", "False"), ("Verified", "Unknown"), ("Ready", "False"))
        ]
        kept = keep_conditions(given, BUILD_CONDITIONS, 8)
        assert [(item.type, item.status, item.reason, item.message) for item in kept] == [
            ("Built", "True", "R", None), ("Pushed", "False", "R", words[:8]), ("Verified", "Unknown", "R", words[:8]),
        ]  # fmt: skip
