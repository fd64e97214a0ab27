"""Who confirms a digest: the registry, to the operator or to a pod that asks in its place, and nobody else."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from buildandpush.api.meta import ConditionType, Phase
from buildandpush.api.reasons import Reason
from buildandpush.api.status import ReadBackStatus
from buildandpush.core.backoff import late_seconds
from buildandpush.core.build.confirm import OWN_PATIENCE, READER_PATIENCE
from buildandpush.core.build.questions import Answer, AskLivePod, AskProof, AskPushed, Question
from buildandpush.core.build.world import Announce, CreatePod, Decision, DeletePod, Refusal, Resource
from buildandpush.core.facts import Proof, ReadBack, Waiting
from buildandpush.core.pod.observation import PodObservation
from buildandpush.core.run.decide import decide
from tests.unit.core.factories import (
    DIGEST,
    NOW,
    REPOSITORY,
    ended_pod,
    login_question,
    pod_name,
    reader_pod,
    run_label,
    spec,
    world,
)
from tests.unit.core.scenes import (
    OWN,
    PUSH_LOG,
    PUSH_ONLY,
    PUSHED,
    READ_BACK,
    after,
    asked_for_long,
    conditions,
    reason_of,
    seen,
)

OTHER = "sha256:" + "b" * 64
READER = reader_pod().name
BUSY = ReadBack({}, digest_found=False, problem="contoso.azurecr.io answered 503", passing=True)
AWAY = ReadBack({}, digest_found=False, problem="no route to host")
HERE = ReadBack({"latest": DIGEST}, digest_found=True)
MOVED = ReadBack({"latest": OTHER}, digest_found=True)
REPRODUCIBLE = spec(envVariables={"PLUGIN_REPRODUCIBLE": True})

MOVED_TAG = {"moved": {"latest": OTHER}}
FOUND = json.dumps({"found": True, "own": False, "moved": {}})
NOT_FOUND = json.dumps({"found": False, "own": False, **MOVED_TAG})
MOVED_BUT_OWN = json.dumps({"found": True, "own": True, **MOVED_TAG})
MOVED_FOREIGN = json.dumps({"found": True, "own": False, **MOVED_TAG})
UNREAD = '{"problem": "contoso.azurecr.io answered 503"}'


class Scene:
    """A build whose kaniko has reported a digest, and the registry as it is found."""

    def __init__(self, read_back: ReadBack | Waiting, raw: dict[str, Any] | None = None, log: str = PUSHED) -> None:
        self.of: Resource = seen(raw)
        self.build = ended_pod(0, "" if raw is PUSH_ONLY else DIGEST)
        self.answers: dict[Question, Answer] = {READ_BACK: read_back, PUSH_LOG: log, AskLivePod(READER): None}
        self.now: datetime = NOW

    def decide(self, *readers: PodObservation, refusal: Refusal | None = None) -> Decision:
        """The next decision, whose status is written."""
        pods = (self.build, *readers)
        decision = decide(world(self.of, pods=pods, answers=self.answers, now=self.now, refusal=refusal))
        assert not decision.questions
        self.of = after(decision, self.of)
        return decision

    def hand_over(self) -> None:
        """The operator cannot read the registry, and names the pod that does."""
        self.decide()
        assert self.state is not None
        assert self.state.pod_name == READER

    @property
    def state(self) -> ReadBackStatus | None:
        assert self.of.status.run is not None
        return self.of.status.run.builds[0].read_back


def created(decision: Decision) -> list[CreatePod]:
    return [action for action in decision.actions if isinstance(action, CreatePod)]


def ended(decision: Decision) -> tuple[str, str, str | None]:
    """Phase and reason of the run, and the digest that is claimed."""
    assert decision.status.run is not None
    build = decision.status.run.builds[0]
    assert build.read_back is None
    assert decision.status.run.finished_at is not None
    return str(decision.status.phase), reason_of(decision), decision.status.digest


NOT_CONFIRMED = ("Failed", "DigestNotConfirmed", None)


class TestLog:
    """A RUN line can write kaniko's message and kaniko's log. So the log never confirms, and may give it away."""

    @pytest.mark.parametrize("registry", [BUSY, AWAY])
    @pytest.mark.parametrize(
        "log",
        [
            PUSHED.replace(DIGEST, OTHER),
            f"{PUSHED}\n{PUSHED.replace(DIGEST, OTHER)}",
            f"{PUSHED.replace(DIGEST, OTHER)}\n{PUSHED}",
        ],
    )
    def test_words_that_do_not_agree_end_the_run_where_the_registry_cannot_be_read(
        self, log: str, registry: ReadBack
    ) -> None:
        scene = Scene(registry, log=log)
        decision = scene.decide()
        assert ended(decision) == NOT_CONFIRMED
        found = conditions(decision)
        assert (found["Ready"], found["Stalled"], found["Completed"]) == ("False", "True", "True")
        message = decision.status.conditions[0].message
        assert DIGEST in message
        assert OTHER in message

    @pytest.mark.parametrize(
        "log", ["", "built", PUSHED, PUSHED.replace("shop/web", "shop/api").replace(DIGEST, OTHER)]
    )
    @pytest.mark.parametrize("raw", [None, REPRODUCIBLE])
    def test_words_that_agree_confirm_nothing(self, log: str, raw: dict[str, Any] | None) -> None:
        scene = Scene(AWAY, raw, log)
        assert scene.decide().status.digest is None
        assert ended(scene.decide(reader_pod(UNREAD))) == NOT_CONFIRMED

    def test_the_registrys_word_needs_no_log(self) -> None:
        """A RUN line may print what it likes, kaniko's words too."""
        scene = Scene(HERE, log=PUSHED.replace(DIGEST, OTHER))
        assert ended(scene.decide()) == ("Succeeded", "Succeeded", DIGEST)

    def test_cached_layers_in_the_same_repository_are_no_contradiction(self) -> None:
        raw = spec(remoteCacheImage=REPOSITORY)
        scene = Scene(AWAY, raw, PUSHED.replace(DIGEST, OTHER))
        scene.hand_over()


class TestMovedTags:
    def test_the_label_of_the_run_confirms(self) -> None:
        scene = Scene(MOVED)
        scene.answers[OWN] = Proof(DIGEST)
        decision = scene.decide()
        assert ended(decision) == ("Succeeded", "Succeeded", DIGEST)
        assert reason_of(decision, ConditionType.VERIFIED) == Reason.TAG_MOVED

    @pytest.mark.parametrize(("passing", "waits"), [(True, True), (False, False)])
    def test_a_label_that_cannot_be_read_is_no_missing_label(self, passing: bool, waits: bool) -> None:
        scene = Scene(MOVED)
        scene.answers[OWN] = Proof(None, "contoso.azurecr.io answered 503", passing=passing)
        scene.decide()
        assert scene.state is not None
        assert (scene.state.next_at is not None, scene.state.pod_name is None) == (waits, waits)

    @pytest.mark.proves("PLUGIN_REPRODUCIBLE")
    @pytest.mark.parametrize(
        ("tags", "good"),
        [({"latest": OTHER, "1": DIGEST}, True), ({"latest": OTHER, "1": OTHER}, False), ({"latest": None}, False)],
    )
    def test_an_image_without_a_label_needs_a_tag_that_names_it(
        self, tags: Mapping[str, str | None], good: bool
    ) -> None:
        """That the repository has the digest says little: it may be an older image's."""
        raw = spec(envVariables={"PLUGIN_REPRODUCIBLE": True}, tags=list(tags))
        scene = Scene(AWAY, raw)
        scene.answers[replace(READ_BACK, tags=tuple(tags))] = ReadBack(tags, digest_found=True)
        scene.of = asked_for_long(scene.of)
        assert ended(scene.decide())[0] == ("Succeeded" if good else "Failed")


class TestPatience:
    """A registry that has too much to do is asked for some minutes, and the status says so."""

    def test_a_busy_registry_is_asked_again_ever_more_seldom(self) -> None:
        scene = Scene(BUSY)
        waits = []
        while (decision := scene.decide()) and (scene.state is not None and scene.state.next_at is not None):
            assert decision.wake_at == scene.state.next_at
            assert (decision.status.phase, reason_of(decision)) == (Phase.RUNNING, Reason.VERIFYING)
            assert "503" in decision.status.conditions[0].message
            waits.append((decision.wake_at - scene.now).total_seconds())
            scene.now = decision.wake_at
        assert waits == [5, 5, 10, 20, 40, 60, 60, 60, 60]
        assert scene.now - NOW >= OWN_PATIENCE
        assert scene.state is not None
        assert scene.state.pod_name == READER

    def test_it_is_not_asked_before_it_wants_to_be(self) -> None:
        scene = Scene(replace(BUSY, retry_after_seconds=120))
        assert scene.decide().wake_at == NOW + timedelta(seconds=120)

    def test_it_is_not_asked_before_its_time(self) -> None:
        scene = Scene(BUSY)
        first = scene.decide()
        assert [action.reason for action in first.actions if isinstance(action, Announce)] == [Reason.VERIFYING]
        del scene.answers[READ_BACK]
        scene.now += timedelta(seconds=2)
        again = scene.decide()
        assert (again.status, again.actions, again.wake_at) == (first.status, (), first.wake_at)

    def test_it_may_recover(self) -> None:
        scene = Scene(BUSY)
        decision = scene.decide()
        assert decision.wake_at is not None
        scene.now = decision.wake_at
        scene.answers[READ_BACK] = HERE
        assert ended(scene.decide()) == ("Succeeded", "Succeeded", DIGEST)

    def test_a_clock_that_goes_back_holds_nothing_up(self) -> None:
        scene = Scene(BUSY)
        scene.decide()
        scene.now -= timedelta(hours=1)
        scene.answers[READ_BACK] = HERE
        assert ended(scene.decide())[0] == "Succeeded"

    @pytest.mark.parametrize(
        ("changes", "phase"),
        [({"cancel": "1"}, Phase.CANCELLED), ({"generation": 2, "spec": spec(target="other")}, Phase.SUPERSEDED)],
    )
    @pytest.mark.parametrize("registry", [BUSY, AWAY])
    def test_nobody_waits_for_an_image_that_is_not_wanted_any_more(
        self, changes: dict[str, Any], phase: Phase, registry: ReadBack
    ) -> None:
        scene = Scene(registry)
        scene.decide()
        scene.of = replace(scene.of, **changes)
        decision = scene.decide(*([reader_pod()] if registry is AWAY else []))
        assert decision.status.phase is phase
        assert decision.status.digest is None
        assert scene.state is None
        deleted = [action.name for action in decision.actions if isinstance(action, DeletePod)]
        assert deleted == ([READER] if registry is AWAY else [])


class TestLateImage:
    """A replica of the registry, or what stands before it, may learn of a push a while later."""

    MISSING = ReadBack({"latest": None}, digest_found=False)
    PATIENCE = timedelta(seconds=late_seconds())

    def test_an_image_that_is_not_there_yet_is_asked_for_again_for_a_minute(self) -> None:
        scene = Scene(self.MISSING)
        waits = []
        while (decision := scene.decide()) and scene.state is not None:
            assert decision.wake_at == scene.state.next_at
            assert (decision.status.phase, reason_of(decision)) == (Phase.RUNNING, Reason.VERIFYING)
            assert f"{REPOSITORY} has no {DIGEST} yet" in decision.status.conditions[0].message
            assert decision.wake_at is not None
            waits.append((decision.wake_at - scene.now).total_seconds())
            scene.now = decision.wake_at
        assert waits == [5, 5, 10, 20, 20]
        assert ended(decision) == ("Failed", "DigestNotInRegistry", None)

    def test_one_that_comes_is_good(self) -> None:
        scene = Scene(self.MISSING)
        decision = scene.decide()
        assert [action.reason for action in decision.actions if isinstance(action, Announce)] == [Reason.VERIFYING]
        assert decision.wake_at is not None
        scene.now = decision.wake_at
        scene.answers[READ_BACK] = HERE
        assert ended(scene.decide()) == ("Succeeded", "Succeeded", DIGEST)

    def test_tags_of_an_image_without_a_label_may_come_late_too(self) -> None:
        scene = Scene(ReadBack({"latest": None}, digest_found=True), REPRODUCIBLE)
        decision = scene.decide()
        assert reason_of(decision) == Reason.VERIFYING
        assert f"{REPOSITORY} has no tag latest yet" in decision.status.conditions[0].message
        scene.now += self.PATIENCE
        assert ended(scene.decide()) == NOT_CONFIRMED

    def test_a_tag_that_names_another_image_is_not_late(self) -> None:
        assert ended(Scene(MOVED, REPRODUCIBLE).decide()) == NOT_CONFIRMED

    def test_a_digest_that_kanikos_log_contradicts_is_forged_and_not_late(self) -> None:
        scene = Scene(self.MISSING, log=PUSHED.replace(DIGEST, OTHER))
        assert ended(scene.decide()) == ("Failed", "DigestNotInRegistry", None)

    def test_the_installers_first_wait_shortens_this_one(self) -> None:
        assert (late_seconds(), late_seconds(2)) == (60, 12)


class TestMissingLogin:
    MISSING = Waiting(Reason.CONNECTOR_MISSING, "AzureConnector 'acr' in namespace 'shop'")

    def test_a_connector_that_is_gone_is_waited_for_as_before_a_pod(self) -> None:
        scene = Scene(self.MISSING)
        first = scene.decide()
        assert (first.status.phase, reason_of(first)) == (Phase.RUNNING, Reason.CONNECTOR_MISSING)
        for _ in range(3):
            scene.now += timedelta(hours=1)
            again = scene.decide()
            assert (again.status, again.actions) == (first.status, ())
            assert again.wake_at is not None
        scene.answers[READ_BACK] = HERE
        assert ended(scene.decide()) == ("Succeeded", "Succeeded", DIGEST)

    def test_the_wait_for_it_is_none_of_the_registrys_time(self) -> None:
        scene = Scene(BUSY)
        scene.decide()
        scene.now += timedelta(minutes=1)
        scene.answers[READ_BACK] = self.MISSING
        scene.decide()
        scene.now += timedelta(hours=1)
        scene.answers[READ_BACK] = BUSY
        scene.decide()
        assert scene.state is not None
        assert (scene.state.since, scene.state.pod_name) == (scene.now, None)

    def test_no_pod_is_made_without_it(self) -> None:
        scene = Scene(AWAY)
        scene.hand_over()
        scene.answers[login_question()] = self.MISSING
        decision = scene.decide()
        assert not created(decision)
        assert (reason_of(decision), scene.state) == (Reason.CONNECTOR_MISSING, None)


class TestReader:
    """Where the operator cannot read the registry, a pod of the namespace does: nothing of the build reaches it."""

    def test_its_name_is_written_before_it_is_made(self) -> None:
        scene = Scene(AWAY)
        first = scene.decide()
        assert scene.state is not None
        assert (scene.state.pod_name, scene.state.next_at, created(first)) == (READER, None, [])
        assert reason_of(first) == Reason.VERIFYING
        assert "no route to host" in first.status.conditions[0].message
        (creation,) = created(scene.decide())
        assert creation.name == creation.manifest["metadata"]["name"] == READER

    def test_it_is_waited_for_without_a_word_to_the_registry(self) -> None:
        scene = Scene(AWAY)
        scene.hand_over()
        del scene.answers[READ_BACK]
        waiting = scene.decide(reader_pod())
        assert waiting.actions == ()
        assert waiting.wake_at == NOW + READER_PATIENCE

    @pytest.mark.parametrize(
        ("report", "raw", "end"),
        [
            (FOUND, None, ("Succeeded", "Succeeded", DIGEST)),
            (FOUND, REPRODUCIBLE, ("Succeeded", "Succeeded", DIGEST)),
            (FOUND, PUSH_ONLY, ("Succeeded", "Succeeded", DIGEST)),
            (MOVED_BUT_OWN, None, ("Succeeded", "Succeeded", DIGEST)),
            (MOVED_FOREIGN, None, NOT_CONFIRMED),
            (MOVED_FOREIGN, REPRODUCIBLE, NOT_CONFIRMED),
            (MOVED_FOREIGN, PUSH_ONLY, ("Succeeded", "Succeeded", DIGEST)),
            (NOT_FOUND, None, NOT_CONFIRMED),
            (NOT_FOUND, PUSH_ONLY, NOT_CONFIRMED),
            (UNREAD, None, NOT_CONFIRMED),
            (UNREAD, REPRODUCIBLE, NOT_CONFIRMED),
            (UNREAD, PUSH_ONLY, ("Succeeded", "Succeeded", DIGEST)),
        ],
    )
    def test_its_report_decides(
        self, report: str, raw: dict[str, Any] | None, end: tuple[str, str, str | None]
    ) -> None:
        scene = Scene(AWAY, raw)
        scene.hand_over()
        reader = reader_pod(report)
        decision = scene.decide(reader)
        assert ended(decision) == end
        assert DeletePod(READER, reader.uid) in decision.actions

    @pytest.mark.parametrize(
        ("report", "raw", "verified"),
        [
            (FOUND, None, ("True", Reason.VERIFIED)),
            (MOVED_BUT_OWN, None, ("False", Reason.TAG_MOVED)),
            (UNREAD, PUSH_ONLY, ("Unknown", Reason.NOT_VERIFIABLE)),
            (NOT_FOUND, None, ("False", Reason.DIGEST_NOT_CONFIRMED)),
        ],
    )
    def test_who_verified_it_is_told(
        self, report: str, raw: dict[str, Any] | None, verified: tuple[str, Reason]
    ) -> None:
        scene = Scene(AWAY, raw)
        scene.hand_over()
        decision = scene.decide(reader_pod(report))
        told = next(item for item in decision.status.conditions if item.type == ConditionType.VERIFIED)
        assert (told.status, told.reason) == verified
        assert READER in told.message or verified[1] is Reason.TAG_MOVED

    @pytest.mark.parametrize("message", ["", "{", "[]", "5", "null", '{"found": true}', '{"found": true, "moved": 5}'])
    def test_one_that_ends_without_a_report_is_made_again(self, message: str) -> None:
        scene = Scene(AWAY)
        scene.hand_over()
        dead = reader_pod(message)
        decision = scene.decide(dead)
        assert [*decision.actions] == [DeletePod(READER, dead.uid)]
        assert created(scene.decide())
        assert ended(scene.decide(reader_pod(FOUND, number=2)))[0] == "Succeeded"

    @pytest.mark.parametrize("reader", [None, reader_pod(), reader_pod("")])
    def test_it_is_not_waited_for_for_ever(self, reader: PodObservation | None) -> None:
        scene = Scene(AWAY)
        scene.hand_over()
        scene.now += READER_PATIENCE
        decision = scene.decide(*([reader] if reader else []))
        assert ended(decision) == NOT_CONFIRMED
        assert READER in decision.status.conditions[0].message

    def test_why_it_did_not_start_is_told(self) -> None:
        scene = Scene(AWAY)
        scene.hand_over()
        scene.now += READER_PATIENCE
        waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling operator"}}
        stuck = reader_pod(None, containerStatuses=[{"name": "read-back", "state": waiting}])
        assert "Back-off pulling operator" in scene.decide(stuck).status.conditions[0].message

    @pytest.mark.parametrize(
        ("refusal", "end"),
        [
            (Refusal(Reason.QUOTA_EXCEEDED, "exceeded quota: small", final=False), None),
            (Refusal(Reason.POD_REFUSED, "violates policy x", final=True), NOT_CONFIRMED),
        ],
    )
    def test_one_that_is_refused_waits_or_ends_the_run(
        self, refusal: Refusal, end: tuple[str, str, str | None] | None
    ) -> None:
        scene = Scene(AWAY)
        scene.hand_over()
        decision = scene.decide(refusal=refusal)
        if end is None:
            assert (created(decision), decision.wake_at is not None) == ([], True)
            assert created(scene.decide())
        else:
            assert ended(decision) == end
            assert refusal.message in decision.status.conditions[0].message

    def test_another_owners_pod_of_its_name_is_not_heard_and_not_waited_for(self) -> None:
        scene = Scene(AWAY)
        scene.hand_over()
        foreign = replace(reader_pod(FOUND), owner_uid="somebody")
        scene.answers[AskLivePod(READER)] = foreign
        assert created(scene.decide())
        taken = Refusal(Reason.NAME_COLLISION, "pod 'x'", final=False, is_taken=True)
        assert not created(scene.decide(refusal=taken))
        assert scene.state is not None
        name = scene.state.pod_name
        assert name not in (READER, None)
        scene.answers[AskLivePod(str(name))] = None
        (creation,) = created(scene.decide(refusal=taken))
        assert creation.name == name

    def test_it_is_made_though_the_spec_cannot_be_used_by_now(self) -> None:
        scene = Scene(AWAY)
        scene.of = replace(scene.of, generation=2, spec=spec(timeout="never"))
        scene.hand_over()
        assert created(scene.decide())

    def test_it_is_no_build_pod(self) -> None:
        """Neither kept for its log, nor taken for a build that outlived its run, nor waited for by the next one."""
        scene = Scene(HERE)
        left = reader_pod()
        decision = scene.decide(left)
        assert ended(decision)[0] == "Succeeded"
        assert [action.name for action in decision.actions if isinstance(action, DeletePod)] == [READER]
        scene.of = replace(scene.of, generation=2, spec=spec(target="other"))
        following = scene.decide(left)
        assert [action.name for action in created(following)] == [pod_name(2)]

    def test_one_that_is_deleted_by_hand_is_made_again(self) -> None:
        scene = Scene(AWAY)
        scene.hand_over()
        going = replace(reader_pod(), deleted_at=NOW)
        assert scene.decide(going).actions == ()
        assert created(scene.decide())


def test_kaniko_is_asked_for_its_log_only_where_the_registry_does_not_answer() -> None:
    of = seen()
    asked = decide(world(of, pods=(ended_pod(0, DIGEST),)))
    assert asked.questions == {READ_BACK}
    asked = decide(world(of, pods=(ended_pod(0, DIGEST),), answers={READ_BACK: AWAY}))
    assert asked.questions == {AskPushed(pod_name(), REPOSITORY)}


def test_a_push_whose_log_names_two_images_has_no_digest() -> None:
    log = f"{PUSHED}\n{PUSHED.replace(DIGEST, OTHER)}"
    decision = decide(world(seen(PUSH_ONLY), pods=(ended_pod(0),), answers={PUSH_LOG: log}))
    assert reason_of(decision) == Reason.DIGEST_MISSING


def test_whose_image_it_is_is_asked_by_the_runs_label() -> None:
    asked = decide(world(seen(), pods=(ended_pod(0, DIGEST),), answers={READ_BACK: MOVED}))
    assert asked.questions == {AskProof(REPOSITORY, (DIGEST,), run_label(), "acr")}
