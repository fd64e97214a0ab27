"""Runs that do only half of the work: those that push nothing, and those that only push."""

from dataclasses import replace

import pytest

from buildandpush.api.meta import ConditionType, Phase
from buildandpush.api.reasons import Reason
from buildandpush.core.build.questions import AskLivePod, AskLog, AskPushed
from buildandpush.core.build.world import Announce, CreatePod
from buildandpush.core.facts import ReadBack
from buildandpush.core.run.decide import decide
from tests.unit.core.factories import DIGEST, REPOSITORY, ended_pod, pod_name, resource, spec, world
from tests.unit.core.scenes import (
    NO_LOGIN,
    NO_PUSH,
    PUSH_ONLY,
    READ_BACK,
    VERIFIED,
    after,
    asked_for_long,
    conditions,
    reason_of,
    seen_without_login,
    succeeded,
)

LOG = AskLog(pod_name(), "kaniko")


class TestNothingIsPushed:
    def test_a_run_without_connector_and_tags_gets_its_pod(self) -> None:
        decision = decide(world(resource(NO_PUSH), answers=NO_LOGIN))
        assert [action.name for action in decision.actions if isinstance(action, CreatePod)] == [pod_name()]
        (message,) = (action.message for action in decision.actions if isinstance(action, Announce))
        assert message == f"Run 1 was accepted (Spec): {REPOSITORY}."

    @pytest.mark.parametrize("message", [DIGEST, "", "nonsense"])
    def test_exit_code_0_is_all_it_takes_since_there_is_nothing_to_read_back(self, message: str) -> None:
        decision = decide(world(seen_without_login(NO_PUSH), pods=(ended_pod(0, message),), answers=NO_LOGIN))
        assert decision.questions == frozenset()
        assert reason_of(decision) == Reason.SUCCEEDED_WITHOUT_PUSH
        found = conditions(decision)
        assert (found["Succeeded"], found["Built"], found["Completed"]) == ("True", "True", "True")
        assert not {"Pushed", "Verified", "LinksResolved"} & found.keys()

    def test_no_artifact_is_listed(self) -> None:
        """The plugin's artifact file named images that were never pushed."""
        status = decide(world(seen_without_login(NO_PUSH), pods=(ended_pod(0, DIGEST),), answers=NO_LOGIN)).status
        assert (status.phase, status.artifacts, status.digest, status.image) == (Phase.SUCCEEDED, [], None, None)
        assert status.run is not None
        assert status.run.builds[0].tags == []
        assert DIGEST in (status.run.builds[0].message or "")
        assert status.history[0].digest is None

    def test_what_an_earlier_run_pushed_stays_known_but_is_no_artifact_of_this_run(self) -> None:
        pushed = succeeded()
        assert pushed.status.artifacts
        changed = replace(pushed, generation=2, spec=spec(envVariables={"PLUGIN_NO_PUSH": True}))
        second = after(decide(world(changed)), changed)
        done = decide(world(second, pods=(ended_pod(0, DIGEST, run=2),)))
        assert (done.status.digest, done.status.artifacts) == (DIGEST, [])
        reasons = {item.type: item.reason for item in done.status.conditions}
        assert ConditionType.VERIFIED not in reasons

    def test_a_failure_is_a_failure(self) -> None:
        log = "error building image: it broke"
        decision = decide(world(seen_without_login(NO_PUSH), pods=(ended_pod(1),), answers={**NO_LOGIN, LOG: log}))
        assert reason_of(decision) == Reason.BUILD_FAILED

    def test_a_pod_that_is_gone_left_no_proof_anywhere_so_the_build_is_done_again(self) -> None:
        decision = decide(world(seen_without_login(NO_PUSH), answers={**NO_LOGIN, AskLivePod(pod_name()): None}))
        assert decision.questions == frozenset()
        assert reason_of(decision) == Reason.RETRYING

    def test_switching_the_push_on_again_is_another_image(self) -> None:
        built = seen_without_login(NO_PUSH)
        done = after(decide(world(built, pods=(ended_pod(0, DIGEST),), answers=NO_LOGIN)), built)
        second = decide(world(replace(done, generation=2, spec=spec())))
        assert second.status.run is not None
        assert (second.status.run.number, second.status.run.effective.no_push) == (2, None)


class TestNothingIsBuilt:
    PUSHED = f"\x1b[36mINFO\x1b[0m[0001] Pushed {REPOSITORY}@{DIGEST}\n"

    def test_the_digest_in_kanikos_log_is_read_back_like_any_other(self) -> None:
        """The plugin listed no artifact of a push."""
        running = seen_without_login(PUSH_ONLY)
        asked = decide(world(running, pods=(ended_pod(0),)))
        assert asked.questions == {AskPushed(LOG.pod, REPOSITORY)}
        asked = decide(world(running, pods=(ended_pod(0),), answers={LOG: self.PUSHED}))
        assert asked.questions == {READ_BACK}
        done = decide(world(running, pods=(ended_pod(0),), answers={LOG: self.PUSHED, READ_BACK: VERIFIED}))
        assert reason_of(done) == Reason.SUCCEEDED
        assert [item.image for item in done.status.artifacts] == [f"{REPOSITORY}:latest"]
        assert done.status.digest == DIGEST

    def test_a_registry_that_does_not_have_it_is_believed(self) -> None:
        answers = {LOG: self.PUSHED, READ_BACK: ReadBack({"latest": None}, digest_found=False)}
        running = seen_without_login(PUSH_ONLY)
        assert reason_of(decide(world(running, pods=(ended_pod(0),), answers=answers))) == Reason.VERIFYING
        done = decide(world(asked_for_long(running), pods=(ended_pod(0),), answers=answers))
        assert reason_of(done) == Reason.DIGEST_NOT_IN_REGISTRY

    def test_no_image_proves_a_push_whose_pod_is_gone(self) -> None:
        """Its label is that of the run that built it."""
        lost = decide(world(seen_without_login(PUSH_ONLY), answers={AskLivePod(pod_name()): None}))
        assert (lost.questions, reason_of(lost)) == (frozenset(), Reason.RETRYING)

    def test_a_log_without_a_push_is_no_success(self) -> None:
        done = decide(world(seen_without_login(PUSH_ONLY), pods=(ended_pod(0),), answers={LOG: ""}))
        assert reason_of(done) == Reason.DIGEST_MISSING

    def test_a_build_is_never_believed_by_its_log(self) -> None:
        """A RUN line may print what it likes."""
        done = decide(world(seen_without_login(spec()), pods=(ended_pod(0, "nonsense"),), answers={LOG: self.PUSHED}))
        assert reason_of(done) == Reason.DIGEST_MISSING

    def test_an_image_file_that_is_not_there_is_named(self) -> None:
        log = "Error: path /kaniko/volume/x.tar not readable: stat /kaniko/volume/x.tar: no such file or directory"
        done = decide(
            world(seen_without_login(PUSH_ONLY), pods=(ended_pod(1),), answers={LOG: log + "\nUsage:\n  executor push"})
        )
        assert reason_of(done) == Reason.IMAGE_FILE_NOT_FOUND


def test_expanded_tags_are_what_the_status_lists_and_the_registry_is_asked_for() -> None:
    """The plugin's artifact list had the tags as they were given."""
    raw = spec(tags=["v1.2.3"], envVariables={"PLUGIN_EXPAND_TAG": True})
    running = seen_without_login(raw)
    question = replace(READ_BACK, tags=("1", "1.2", "1.2.3"))
    answer = ReadBack(dict.fromkeys(question.tags, DIGEST), digest_found=True)
    done = decide(world(running, pods=(ended_pod(0, DIGEST),), answers={question: answer}))
    assert [item.image for item in done.status.artifacts] == [f"{REPOSITORY}:{tag}" for tag in question.tags]
