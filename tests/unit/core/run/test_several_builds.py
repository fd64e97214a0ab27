"""Runs of several builds: each build goes its way, and the run says what they come to."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from buildandpush.api import meta
from buildandpush.api.meta import Phase
from buildandpush.api.reasons import Reason
from buildandpush.api.spec import BuildAndPushACRSpec
from buildandpush.api.strategy import Strategy
from buildandpush.core.build.questions import AskCommit, AskLinks, AskLivePod, AskLog
from buildandpush.core.build.world import CancelPod, CreatePod, DeletePod, Refusal
from buildandpush.core.facts import Commit, GitRevision, Links, Waiting
from buildandpush.core.run.decide import decide
from buildandpush.core.spec import matrix as strategies
from buildandpush.core.spec.combination import Combination
from buildandpush.core.spec.scope import Occasion
from tests.unit.core.factories import NOW, REPOSITORY, container, login_question, rule, spec, terminated, world
from tests.unit.core.run.several import (
    Scene,
    all_names,
    broken,
    created,
    digest_of,
    matrix,
    name_of,
    pod_of,
    pushed,
    size_of,
)

SUCCEEDED, FAILED, RUNNING, PENDING = Phase.SUCCEEDED, Phase.FAILED, Phase.RUNNING, Phase.PENDING
QUEUE_OF_TWO = {"matrix": {"os": ["alpine", "debian"], "python": ["3.12", "3.13"], "maxConcurrency": 2}}


def running(raw: dict[str, Any] | None = None) -> Scene:
    """All four builds have pods that run."""
    scene = Scene(raw)
    scene.settle()
    scene.see(*map(pod_of, range(4))).settle()
    return scene


def one_failed(raw: dict[str, Any] | None = None) -> Scene:
    """Build 2 has failed, and the others have pushed."""
    scene = running(raw)
    scene.see(pushed(0), pushed(1), broken(2), pushed(3)).settle()
    return scene


class TestTheWay:
    def test_each_combination_has_a_pod_with_its_own_tags(self) -> None:
        scene = Scene()
        decision = scene.step()
        assert created(decision) == all_names(range(4))
        assert [build.tags for build in scene.run.builds] == [
            ["alpine-3.12"], ["alpine-3.13"], ["debian-3.12"], ["debian-3.13"],
        ]  # fmt: skip
        assert scene.build(2).matrix == {"os": "debian", "python": "3.12"}

    def test_a_pod_carries_the_number_and_the_label_of_its_build(self) -> None:
        first, second, *_ = [action for action in Scene().step().actions if isinstance(action, CreatePod)]
        labels = [pod.manifest["metadata"]["labels"][meta.LABEL_BUILD] for pod in (first, second)]
        assert labels == ["0", "1"]
        arguments = [" ".join(pod.manifest["spec"]["containers"][0]["args"]) for pod in (first, second)]
        assert "/1@" in arguments[0]
        assert "/1-1@" in arguments[1]

    def test_nothing_is_written_while_nothing_happens(self) -> None:
        scene = running()
        before = scene.of.status
        for minutes in range(5):
            scene.now = NOW + timedelta(minutes=minutes)
            scene.step()
        assert scene.of.status == before

    def test_the_run_tells_how_many_builds_are_where(self) -> None:
        scene = running()
        scene.see(pushed(0), broken(1)).settle()
        value, reason, message = scene.condition("Succeeded")
        assert (value, reason) == ("Unknown", Reason.BUILDING)
        assert message.startswith("Of 4 builds, 1 succeeded, 1 failed, 2 run. Build 2 (os=debian, python=3.12): kaniko")
        assert scene.of.status.phase == RUNNING

    def test_a_sibling_of_a_failed_build_goes_on(self) -> None:
        scene = running()
        scene.see(broken(0)).settle()
        assert scene.phases() == [FAILED, RUNNING, RUNNING, RUNNING]
        assert scene.run.finished_at is None

    def test_a_build_that_waits_for_an_answer_keeps_no_other_from_its_way(self) -> None:
        scene = running()
        decision = decide(world(scene.of, pods=(pod_of(0), pushed(1), broken(2), pod_of(3)), now=NOW))
        assert len(decision.questions) == 2
        scene.see(pushed(1), broken(2)).settle()
        assert scene.phases() == [RUNNING, SUCCEEDED, FAILED, RUNNING]

    def test_a_pod_that_is_refused_holds_up_its_own_build_alone(self) -> None:
        scene = Scene()
        refused = Refusal(Reason.QUOTA_EXCEEDED, "exceeded quota: few", final=False)
        scene.step()
        decision = scene.step(refusals={name_of(1): refused})
        assert created(decision) == all_names([0, 2, 3])
        assert scene.build(1).reason == Reason.QUOTA_EXCEEDED

    def test_a_refusal_for_good_fails_its_own_build_alone(self) -> None:
        scene = Scene()
        scene.step()
        scene.step(refusals={name_of(1): Refusal(Reason.POD_REFUSED, "no root here", final=True)})
        assert [build.phase for build in scene.run.builds] == [PENDING, FAILED, PENDING, PENDING]

    def test_events_say_which_build_they_are_about(self) -> None:
        scene = one_failed()
        told = [event for event in scene.told if event.reason == Reason.RUN_FAILED]
        assert [event.message.split(":")[0] for event in told] == ["Build 2 (os=debian, python=3.12)"]
        assert len({(event.key, event.reason) for event in scene.told}) == len({event.message for event in scene.told})


class TestTheEnd:
    def test_a_run_succeeds_when_all_builds_did(self) -> None:
        scene = running()
        scene.see(*map(pushed, range(4))).settle()
        status = scene.of.status
        assert scene.condition("Ready")[:2] == ("True", Reason.SUCCEEDED)
        assert (status.phase, status.digest, status.image, status.links) == (SUCCEEDED, None, None, None)
        assert [(item.image, item.digest) for item in status.artifacts] == [
            (f"{REPOSITORY}:{tag}", digest_of(key))
            for key, tag in enumerate(["alpine-3.12", "alpine-3.13", "debian-3.12", "debian-3.13"])
        ]
        assert [scene.condition(kind)[0] for kind in ("Built", "Pushed", "Verified", "SourceReady")] == ["True"] * 4
        assert (status.history[0].phase, status.history[0].digest) == (SUCCEEDED, None)
        assert status.good_spec_hash == scene.run.spec_hash

    def test_a_failed_run_says_which_builds_failed(self) -> None:
        scene = one_failed()
        assert scene.phases() == [SUCCEEDED, SUCCEEDED, FAILED, SUCCEEDED]
        value, reason, message = scene.condition("Ready")
        assert (value, reason) == ("False", Reason.BUILDS_FAILED)
        assert "build 2 (os=debian, python=3.12): RunFailed" in message
        assert "failed-1" in message
        assert scene.of.status.history[0].reason == Reason.BUILDS_FAILED
        assert scene.of.status.artifacts == []

    def test_the_end_is_told_once(self) -> None:
        scene = one_failed()
        ends = [event for event in scene.told if event.reason == Reason.BUILDS_FAILED]
        assert len(ends) == 1
        scene.settle()
        assert len([event for event in scene.told if event.reason == Reason.BUILDS_FAILED]) == 1

    def test_an_ignored_failure_makes_the_run_an_ignored_one(self) -> None:
        scene = one_failed(matrix(failureStrategies=[rule("Ignore")]))
        assert scene.of.status.phase == Phase.IGNORED
        assert scene.condition("Ready")[:2] == ("True", Reason.IGNORED_FAILURE)

    def test_a_build_is_tried_again_by_itself(self) -> None:
        scene = running(matrix(failureStrategies=[rule("Retry", retryCount=1)]))
        scene.see(pushed(0), broken(1)).settle()
        assert (scene.build(1).attempt, scene.build(1).phase) == (2, PENDING)
        assert [build.attempt for build in scene.run.builds] == [1, 2, 1, 1]
        scene.now = NOW + timedelta(minutes=1)
        scene.answers[AskLivePod(name_of(1))] = broken(1)
        assert created(scene.settle()) == [name_of(1, attempt=2)]

    def test_what_a_strategy_tries_again_takes_none_of_the_retries_for_what_is_nobodys_fault(self) -> None:
        scene = running(matrix(failureStrategies=[rule("Retry", retryCount=1)], retries=1))
        scene.see(broken(1)).settle()
        scene.now = NOW + timedelta(minutes=1)
        scene.answers[AskLivePod(name_of(1))] = broken(1)
        scene.settle()
        scene.see(pod_of(1, attempt=2, phase="Failed", reason="Evicted")).settle()
        assert (scene.build(1).attempt, scene.build(1).phase) == (3, PENDING)

    def test_a_further_attempt_knows_what_its_build_is_for(self) -> None:
        scene = running(matrix(failureStrategies=[rule("Retry", retryCount=1)]))
        scene.see(broken(1)).settle()
        assert scene.build(1).matrix == {"os": "alpine", "python": "3.13"}

    def test_links_of_all_builds_are_asked_for_at_the_end(self) -> None:
        scene = running(matrix(subscriptionId="Production"))
        for tag in ("alpine-3.12", "alpine-3.13", "debian-3.12", "debian-3.13"):
            links = Links(Reason.LINKS_RESOLVED, "", ((tag, f"https://portal.azure.com/{tag}"),))
            scene.answers[AskLinks(REPOSITORY, (tag,), "acr", "Production")] = links
        scene.see(*map(pushed, range(4))).settle()
        assert [item.portal_url for item in scene.of.status.artifacts] == [
            f"https://portal.azure.com/{tag}" for tag in ("alpine-3.12", "alpine-3.13", "debian-3.12", "debian-3.13")
        ]
        assert scene.condition("LinksResolved")[0] == "True"


class TestConcurrency:
    def test_no_more_builds_begin_than_there_are_places(self) -> None:
        scene = Scene(matrix(QUEUE_OF_TWO))
        assert created(scene.step()) == all_names([0, 1])
        assert [build.reason for build in scene.run.builds][2:] == [Reason.QUEUED] * 2
        assert [build.phase for build in scene.run.builds][2:] == [PENDING] * 2
        assert "another build of its run" in (scene.build(3).message or "")
        scene.see(pod_of(0), pod_of(1)).settle()
        scene.see(pushed(1))
        assert created(scene.settle()) == [name_of(2)]
        scene.see(pod_of(2)).settle()
        scene.see(broken(0))
        assert created(scene.settle()) == [name_of(3)]

    def test_a_build_that_waits_for_its_next_attempt_keeps_its_place(self) -> None:
        scene = Scene(matrix(QUEUE_OF_TWO, failureStrategies=[rule("Retry", retryCount=1)]))
        scene.settle()
        scene.see(pod_of(0), pod_of(1)).settle()
        scene.see(broken(0))
        assert created(scene.settle()) == []

    def test_a_change_of_max_concurrency_holds_at_once_and_builds_nothing_anew(self) -> None:
        scene = Scene(matrix(QUEUE_OF_TWO))
        scene.settle()
        scene.see(pod_of(0), pod_of(1)).settle()
        wider = {"matrix": {**QUEUE_OF_TWO["matrix"], "maxConcurrency": 3}}
        scene.of = replace(scene.of, spec=matrix(wider), generation=2)
        assert created(scene.step()) == [name_of(2)]
        assert scene.run.number == 1

    def test_a_smaller_max_concurrency_lets_no_build_begin_beside_those_that_run(self) -> None:
        scene = Scene()
        full = Refusal(Reason.QUOTA_EXCEEDED, "exceeded quota: few", final=False)
        scene.step()
        scene.see(pod_of(1), pod_of(2)).step(refusals={name_of(0): full, name_of(3): full})
        scene.of = replace(scene.of, spec=matrix(QUEUE_OF_TWO), generation=2)
        assert created(scene.step()) == []
        scene.see(pushed(1)).settle()
        assert created(scene.step()) == [name_of(0)]

    def test_a_run_whose_queue_cannot_begin_waits_for_a_correction_and_says_so(self) -> None:
        scene = Scene(matrix(QUEUE_OF_TWO))
        scene.settle()
        scene.see(pod_of(0), pod_of(1)).settle()
        scene.of = replace(scene.of, spec=matrix({**QUEUE_OF_TWO, "maxConcurrency": 3}), generation=2)
        scene.see(pushed(0), pushed(1)).settle()
        assert scene.condition("Completed")[:2] == ("True", Reason.SPEC_INVALID)
        scene.of = replace(scene.of, spec=matrix(QUEUE_OF_TWO), generation=3)
        assert created(scene.settle()) == all_names([2, 3])

    def test_nothing_is_written_while_all_builds_wait_for_a_correction(self) -> None:
        scene = Scene()
        scene.answers[login_question()] = Waiting(Reason.SECRET_MISSING, "Secret 'acr-login'")
        scene.settle()
        scene.of = replace(scene.of, spec=matrix(timeout="never"), generation=2)
        scene.settle()
        before = scene.of.status
        scene.now = NOW + timedelta(minutes=1)
        assert scene.condition("Completed")[0] == "True"
        assert scene.step().status == before

    def test_a_cancelled_run_ends_its_queue_too(self) -> None:
        scene = Scene(matrix(QUEUE_OF_TWO))
        scene.settle()
        scene.see(pod_of(0), pod_of(1)).settle()
        scene.of = replace(scene.of, cancel="1")
        decision = scene.step()
        assert [action.name for action in decision.actions if isinstance(action, CancelPod)] == all_names([0, 1])
        assert scene.phases()[2:] == [Phase.CANCELLED] * 2
        scene.see(broken(0), broken(1)).settle()
        assert scene.of.status.phase == Phase.CANCELLED
        assert scene.run.cancelled

    def test_an_invalid_spec_lets_no_other_build_begin_and_ends_those_that_run(self) -> None:
        scene = Scene(matrix(QUEUE_OF_TWO))
        scene.settle()
        scene.see(pod_of(0), pod_of(1)).settle()
        scene.of = replace(scene.of, spec=matrix(QUEUE_OF_TWO, timeout="never"), generation=2)
        scene.see(pushed(0), pushed(1))
        assert created(scene.settle()) == []
        assert scene.phases()[:2] == [SUCCEEDED, SUCCEEDED]
        assert scene.condition("SpecValid")[0] == "False"
        scene.of = replace(scene.of, spec=matrix(QUEUE_OF_TWO), generation=3)
        assert created(scene.settle()) == all_names([2, 3])


class TestANewSpec:
    def test_a_newer_spec_replaces_all_builds_on_their_way(self) -> None:
        scene = running()
        scene.see(pushed(0)).settle()
        scene.of = replace(scene.of, spec=matrix(target="late"), generation=2)
        decision = scene.step()
        assert [action.name for action in decision.actions if isinstance(action, CancelPod)] == all_names([1, 2, 3])
        scene.see(broken(1), broken(2), broken(3)).settle()
        assert scene.run.number == 2
        assert created(scene.settle()) == all_names(range(4), run=2)

    def test_one_that_is_queued_waits_for_what_runs_and_lets_nothing_more_begin(self) -> None:
        scene = Scene(matrix(QUEUE_OF_TWO))
        scene.settle()
        scene.see(pod_of(0), pod_of(1)).settle()
        scene.of = replace(scene.of, spec=matrix(QUEUE_OF_TWO, target="late", onChange="Queue"), generation=2)
        assert created(scene.settle()) == []
        assert scene.phases() == [RUNNING, RUNNING, Phase.SUPERSEDED, Phase.SUPERSEDED]
        scene.see(pushed(0), pushed(1)).settle()
        assert scene.run.number == 2

    def test_a_run_without_a_strategy_follows_one_with_it(self) -> None:
        scene = one_failed()
        scene.of = replace(scene.of, spec=spec(target="late"), generation=2)
        assert created(scene.settle()) == [name_of(0, run=2)]
        assert len(scene.run.builds) == 1


class TestRebuild:
    @pytest.mark.parametrize("value", ["failed-1", "failed-20261126"])
    def test_failed_builds_alone_are_built_again(self, value: str) -> None:
        scene = one_failed()
        scene.of = replace(scene.of, rebuild=value)
        assert created(scene.settle()) == [name_of(2, run=2)]
        assert [build.from_run for build in scene.run.builds] == [1, 1, None, 1]
        scene.see(pod_of(2, run=2)).settle()
        scene.see(pushed(2, run=2)).settle()
        assert scene.condition("Ready")[:2] == ("True", Reason.SUCCEEDED)
        assert [item.digest for item in scene.of.status.artifacts] == [digest_of(key) for key in range(4)]
        assert scene.of.status.completed_rebuild == value

    def test_a_build_that_is_taken_over_twice_names_the_run_that_made_it(self) -> None:
        scene = one_failed()
        for number, value in ((2, "failed-1"), (3, "failed-2")):
            scene.of = replace(scene.of, rebuild=value)
            scene.settle()
            scene.see(pod_of(2, run=number)).settle()
            scene.see(broken(2, run=number)).settle()
        assert [build.from_run for build in scene.run.builds] == [1, 1, None, 1]

    def test_after_a_cancelled_run_what_has_not_succeeded_is_built(self) -> None:
        scene = running()
        scene.see(pushed(0), pushed(1)).settle()
        scene.of = replace(scene.of, cancel="1")
        scene.see(broken(2), broken(3)).settle()
        assert scene.of.status.phase == Phase.CANCELLED
        scene.of = replace(scene.of, rebuild="failed-1")
        assert created(scene.settle()) == all_names([2, 3], run=2)

    def test_after_an_ignored_failure_that_build_is_built(self) -> None:
        scene = one_failed(matrix(failureStrategies=[rule("Ignore")]))
        scene.of = replace(scene.of, rebuild="failed-1")
        assert created(scene.settle()) == [name_of(2, run=2)]

    def test_another_value_builds_everything_again(self) -> None:
        scene = one_failed()
        scene.of = replace(scene.of, rebuild="now")
        assert created(scene.settle()) == all_names(range(4), run=2)

    def test_where_nothing_failed_nothing_is_built(self) -> None:
        scene = running()
        scene.see(*map(pushed, range(4))).settle()
        scene.of = replace(scene.of, rebuild="failed-1")
        assert created(scene.settle()) == []
        assert scene.run.number == 1
        assert scene.of.status.completed_rebuild == "failed-1"
        assert [event.reason for event in scene.told][-1] == Reason.NOTHING_FAILED
        assert scene.condition("Ready")[0] == "True"

    def test_of_a_new_spec_everything_is_built(self) -> None:
        scene = one_failed()
        scene.of = replace(scene.of, rebuild="failed-1", spec=matrix(target="late"), generation=2)
        assert created(scene.settle()) == all_names(range(4), run=2)

    def test_an_outage_builds_the_failed_ones_alone(self) -> None:
        scene = running(matrix(retries=1))
        lost = pod_of(2, phase="Failed", reason="Evicted", containerStatuses=[])
        scene.see(pushed(0), pushed(1), lost, pushed(3)).settle()
        scene.now = NOW + timedelta(minutes=1)
        again = pod_of(2, attempt=2, phase="Failed", reason="Evicted", containerStatuses=[])
        scene.see(again).settle()
        assert scene.of.status.phase == FAILED
        assert scene.run.next_run_at is not None
        scene.now = scene.run.next_run_at
        assert created(scene.settle()) == [name_of(2, run=2)]


class TestPods:
    def test_siblings_do_not_wait_for_each_others_pods(self) -> None:
        scene = running(matrix(failureStrategies=[rule("Retry", retryCount=1)]))
        scene.see(broken(1)).settle()
        scene.now = NOW + timedelta(minutes=1)
        scene.answers[AskLivePod(name_of(1))] = broken(1)
        assert created(scene.settle()) == [name_of(1, attempt=2)]

    def test_a_pod_of_the_run_before_is_waited_for_by_all(self) -> None:
        scene = one_failed()
        scene.of = replace(scene.of, rebuild="now")
        alive = pod_of(3)
        scene.pods = {alive.name: alive}
        scene.answers[AskLivePod(alive.name)] = alive
        decision = scene.settle()
        assert created(decision) == []
        assert DeletePod(alive.name, alive.uid) in decision.actions

    def test_a_pod_that_outlived_its_attempt_is_removed(self) -> None:
        scene = running()
        lost = pod_of(2, phase="Failed", reason="Evicted", containerStatuses=[])
        scene.see(lost).settle()
        alive = pod_of(2)
        scene.pods[alive.name] = alive
        scene.answers[AskLivePod(alive.name)] = alive
        assert DeletePod(alive.name, alive.uid) in scene.step().actions

    def test_of_very_many_pods_that_look_so_each_pass_looks_at_a_few(self) -> None:
        """Whoever may create pods can make hundreds. Each of them costs a request to the API server."""
        scene = running()
        forged = [pod_of(0, run=0, attempt=number) for number in range(1, 101)]
        scene.see(*forged)
        removed = []
        while gone := [action.name for action in scene.step().actions if isinstance(action, DeletePod)]:
            removed.append(len(gone))
            for name in gone:
                del scene.pods[name]
        assert removed == [16] * 6 + [4]

    def test_the_pods_of_siblings_are_not_taken_for_orphans(self) -> None:
        scene = running()
        scene.see(pushed(0)).settle()
        assert not [action for action in scene.step().actions if isinstance(action, DeletePod)]

    def test_each_build_keeps_the_pods_that_a_run_of_one_build_would(self) -> None:
        scene = running()
        scene.see(pushed(0), pushed(1), broken(2), pushed(3)).settle()
        assert not [action for action in scene.step().actions if isinstance(action, DeletePod)]

    def test_a_login_that_is_missing_is_said_once_for_all(self) -> None:
        scene = Scene()
        scene.answers[login_question()] = Waiting(Reason.SECRET_MISSING, "Secret 'acr-login'")
        scene.settle()
        assert {build.reason for build in scene.run.builds} == {Reason.SECRET_MISSING}
        assert scene.condition("Ready")[1] == Reason.SECRET_MISSING


class TestOneCommit:
    GIT: ClassVar = {"git": {"url": "https://git.example/shop.git", "revision": "main"}}

    def scene(self, **changes: Any) -> Scene:
        scene = Scene(matrix(source=self.GIT, **changes))
        asked = AskCommit(GitRevision("https://git.example/shop.git", "main"), NOW)
        scene.answers[asked] = Commit("a" * 40, "refs/heads/main")
        return scene

    def test_all_builds_have_the_commit_that_the_operator_found(self) -> None:
        scene = self.scene()
        pods = [action for action in scene.step().actions if isinstance(action, CreatePod)]
        assert len(pods) == 4
        assert all("a" * 40 in str(pod.manifest["metadata"]["annotations"]) for pod in pods)
        assert scene.run.source is not None
        assert scene.run.source.commit == "a" * 40
        assert all(build.source is None for build in scene.run.builds)

    def test_a_queued_build_has_it_too_when_the_branch_has_moved(self) -> None:
        scene = self.scene(strategy=QUEUE_OF_TWO)
        scene.settle()
        fetched = container("source", terminated=terminated(0, message=json.dumps({"facts": {"commit": "a" * 40}})))
        scene.see(*(pod_of(key, initContainerStatuses=[fetched]) for key in (0, 1))).settle()
        scene.answers = {key: value for key, value in scene.answers.items() if not isinstance(key, AskCommit)}
        scene.see(replace(pushed(0), source=pod_of(0, initContainerStatuses=[fetched]).source))
        pods = [action for action in scene.settle().actions if isinstance(action, CreatePod)]
        assert ["a" * 40 in str(pod.manifest["metadata"]["annotations"]) for pod in pods] == [True]

    def test_builds_with_revisions_of_their_own_have_commits_of_their_own(self) -> None:
        source = {"git": {"url": "https://git.example/shop.git", "revision": "<+matrix.branch>"}}
        raw = matrix({"matrix": {"branch": ["main", "next"]}}, source=source, tags=["<+codebase.branch>"])
        scene = Scene(raw)
        for place, branch in enumerate(("main", "next")):
            asked = AskCommit(GitRevision("https://git.example/shop.git", branch), NOW)
            scene.answers[asked] = Commit(f"{place}" * 40, f"refs/heads/{branch}")
        pods = [action for action in scene.step().actions if isinstance(action, CreatePod)]
        assert [f"{place}" * 40 in str(pod.manifest["metadata"]) for place, pod in enumerate(pods)] == [True, True]
        assert [build.source.commit for build in scene.run.builds if build.source] == ["0" * 40, "1" * 40]
        assert [build.tags for build in scene.run.builds] == [["main"], ["next"]]
        assert scene.run.source is None
        assert scene.step().status == scene.of.status

    def test_two_builds_that_come_to_one_tag_are_refused_before_there_is_a_pod(self) -> None:
        tags = ['<+codebase.branch.replace("main", matrix.os == "alpine" ? "x" : "x")>-<+matrix.python>']
        scene = self.scene(tags=tags)
        assert created(scene.settle()) == []
        value, reason, message = scene.condition("SpecValid")
        assert (value, reason) == ("False", Reason.SPEC_INVALID)
        assert "both push contoso.azurecr.io/shop/web:x-3.12" in message
        before = scene.of.status
        scene.now = NOW + timedelta(minutes=1)
        assert scene.step().status == before


class TestWhatPodsFetched:
    ARCHIVE: ClassVar = {"archive": {"url": "https://files.example/shop.tar.gz", "unverified": True}}

    def test_builds_that_fetched_something_else_say_so_and_the_status_settles(self) -> None:
        scene = Scene(matrix(source=self.ARCHIVE))
        scene.settle()
        for key, content in enumerate("aabb"):
            report = json.dumps({"facts": {"digest": f"sha256:{content * 64}"}})
            fetched = container("source", terminated=terminated(0, message=report))
            scene.see(pod_of(key, initContainerStatuses=[fetched]))
        scene.settle()
        assert scene.run.source is not None
        assert scene.run.source.digest == f"sha256:{'a' * 64}"
        assert [build.source and build.source.digest for build in scene.run.builds] == [
            None, None, f"sha256:{'b' * 64}", f"sha256:{'b' * 64}",
        ]  # fmt: skip


class TestNumbers:
    def test_no_two_events_and_no_two_pods_have_one_name(self) -> None:
        scene = Scene(matrix({"parallelism": 64}, tags=["v<+strategy.iteration>"]))
        names = created(scene.step())
        assert len(set(names)) == len(names) == 64

    def test_the_status_of_the_largest_run_stays_within_its_bound(self) -> None:
        scene = Scene(matrix({"parallelism": 64}, tags=["v<+strategy.iteration>"]))
        scene.settle()
        scene.see(*map(pod_of, range(64))).settle()
        scene.see(*map(broken, range(64)))
        for key in range(64):
            scene.answers[AskLog(name_of(key), "kaniko")] = "error building image: " + "x" * 4096
        scene.settle()
        assert scene.of.status.phase == FAILED
        assert size_of(scene) <= 128 * 1024


def test_a_strategy_is_expanded_once_for_all_builds_of_a_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    expanded: list[Occasion] = []
    expand = strategies._expand

    def note(spec: BuildAndPushACRSpec, strategy: Strategy, occasion: Occasion) -> tuple[Combination, ...]:
        expanded.append(occasion)
        return expand(spec, strategy, occasion)

    scene = Scene(matrix({"repeat": {"times": 64}}, tags=["<+strategy.iteration>"]))
    scene.step()
    monkeypatch.setattr(strategies, "_expand", note)
    decision = decide(world(scene.of, answers=scene.answers))
    assert len(created(decision)) == 64
    assert len(expanded) == 1
