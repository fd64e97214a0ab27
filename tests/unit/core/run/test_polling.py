"""New commits: which start a run, what a run builds then, and what the status says where git does not answer."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from buildandpush.api.meta import ConditionType
from buildandpush.api.reasons import Reason
from buildandpush.core.build.questions import (
    Answer,
    AskCommit,
    AskLivePod,
    AskLog,
    AskObjects,
    AskTags,
    AskTouched,
    Question,
)
from buildandpush.core.build.revision import revision_of
from buildandpush.core.build.world import Announce, CreatePod, Decision, Resource
from buildandpush.core.facts import Commit, GitRevision, Inputs, ReadBack, Trouble
from buildandpush.core.run.decide import decide
from buildandpush.core.spec.plan import parse_spec
from tests.unit.core.factories import (
    DIGEST,
    NOW,
    container,
    ended_pod,
    pod_name,
    resource,
    running_pod,
    spec,
    terminated,
    world,
)
from tests.unit.core.scenes import READ_BACK, after, conditions, reason_of

URL = "https://git.example/shop.git"
AT = GitRevision(URL, "main")
OLD, NEW, NEWER = ("a" * 40, "b" * 40, "c" * 40)
FIVE_MINUTES = timedelta(minutes=5)


def polled(**poll: Any) -> dict[str, Any]:
    """A spec that polls main."""
    return spec(source={"git": {"url": URL, "revision": "main", "poll": poll}})


class Git:
    """Answers for every time that a decision may ask about."""

    def __init__(self, commit: Answer, touched: Answer = None) -> None:
        self.commit = commit
        self.touched = touched
        self.asked: list[Question] = []

    def decide(self, of: Resource, *, now: datetime = NOW, **changes: Any) -> Decision:
        """A decision with all that it asks for."""
        answers = dict(changes.pop("answers", {}))
        while True:
            decision = decide(world(of, now=now, answers=answers, **changes))
            if not decision.questions:
                return decision
            (question,) = decision.questions
            self.asked.append(question)
            if isinstance(question, AskCommit):
                answers[question] = self.commit
            elif isinstance(question, AskTouched):
                answers[question] = self.touched
            elif isinstance(question, AskLog):
                answers[question] = ""
            elif isinstance(question, AskLivePod):
                answers[question] = None
            elif isinstance(question, AskTags):
                answers[question] = ReadBack({}, digest_found=False)
            elif isinstance(question, AskObjects):
                answers[question] = Inputs((("Secret/git-login", "hmac"),))
            else:
                raise AssertionError(f"{question} has no answer here")


def at(commit: str, ref: str = "refs/heads/main", **details: str) -> Git:
    return Git(Commit(commit, ref, **details))


def source_at(commit: str, message: str = "") -> dict[str, Any]:
    """The source's container has fetched this commit."""
    report = json.dumps({"facts": {"commit": commit, "revision": "main", **({"message": message} if message else {})}})
    return container("source", terminated=terminated(0, message=report))


def built(raw: dict[str, Any], commit: str = OLD, message: str = "", **changes: Any) -> Resource:
    """A resource whose first run has built this commit."""
    fresh = resource(raw, **changes)
    started = after(at(commit, message=message).decide(fresh), fresh)
    ended = ended_pod(0, DIGEST, initContainerStatuses=[source_at(commit, message)])
    tags = tuple(run_of(started).builds[0].tags)
    back = replace(READ_BACK, tags=tags)
    done = after(
        decide(world(started, pods=(ended,), answers={back: ReadBack(dict.fromkeys(tags, DIGEST), digest_found=True)})),
        started,
    )
    assert done.status.phase == "Succeeded"
    return done


def spec_told(decision: Decision) -> str:
    """What the status says of the spec."""
    return next(item.message for item in decision.status.conditions if item.type == ConditionType.SPEC_VALID)


def run_of(of: Resource | Decision) -> Any:
    status = of.status
    assert status.run is not None
    return status.run


def request_of(decision: Decision) -> dict[str, Any]:
    """What the source's container is asked for."""
    (created,) = [action for action in decision.actions if isinstance(action, CreatePod)]
    annotations = created.manifest["metadata"]["annotations"]
    found: dict[str, Any] = json.loads(annotations["buildandpush.dev/source"])
    return found


class TestPin:
    def test_a_polled_run_builds_the_commit_that_was_resolved_before_its_pod(self) -> None:
        decision = at(OLD).decide(resource(polled()))
        assert (run_of(decision).source.commit, run_of(decision).source.ref) == (OLD, "refs/heads/main")
        assert request_of(decision)["git"] == {"url": URL, "revision": "main", "commit": OLD}

    def test_the_question_says_how_the_server_is_logged_in_to_and_trusted(self) -> None:
        raw = polled()
        raw["source"]["git"] |= {"credentialsRef": {"name": "git-login"}, "caBundle": "-----BEGIN CERTIFICATE-----"}
        git = at(OLD)
        git.decide(resource(raw))
        (asked,) = [one for one in git.asked if isinstance(one, AskCommit)]
        assert asked == AskCommit(
            GitRevision(URL, "main", secret="git-login", ca_bundle="-----BEGIN CERTIFICATE-----"), NOW
        )

    def test_the_question_names_the_connector(self) -> None:
        git = parse_spec(polled()).source.git
        assert git is not None
        azure = git.model_copy(update={"connector_ref": "account.My_ACR"})
        assert revision_of(azure).connector == "my-acr"

    def test_an_attempt_after_one_that_was_not_pinned_takes_the_branch_as_it_is(self) -> None:
        fresh = resource(spec(source={"git": {"url": URL, "revision": "main"}}))
        started = after(at(OLD).decide(fresh), fresh)
        lost = ended_pod(1, reason_of_pod="Evicted", containerStatuses=[], initContainerStatuses=[source_at(OLD)])
        retried = after(at(NEW).decide(started, pods=(lost,)), started)
        assert "commit" not in request_of(at(NEW).decide(retried, now=NOW + FIVE_MINUTES))["git"]

    def test_without_poll_and_expressions_nobody_is_asked(self) -> None:
        git = at(OLD)
        decision = git.decide(resource(spec(source={"git": {"url": URL, "revision": "main"}})))
        assert git.asked == []
        assert request_of(decision)["git"] == {"url": URL, "revision": "main"}

    def test_it_stays_for_later_attempts(self) -> None:
        fresh = resource(polled())
        started = after(at(OLD).decide(fresh), fresh)
        lost = ended_pod(1, reason_of_pod="Evicted", containerStatuses=[], initContainerStatuses=[source_at(OLD)])
        retried = after(at(NEW).decide(started, pods=(lost,)), started)
        assert run_of(retried).builds[0].attempt == 2
        again = at(NEW).decide(retried, now=NOW + FIVE_MINUTES)
        assert request_of(again)["git"]["commit"] == OLD

    def test_while_the_server_is_asked_the_run_waits_without_a_write(self) -> None:
        fresh = resource(polled())
        accepted = after(Git(None).decide(fresh), fresh)
        waiting = Git(None).decide(accepted, now=NOW + timedelta(seconds=1))
        assert waiting.status == accepted.status
        assert waiting.wake_at is not None
        late = Git(None).decide(accepted, now=NOW + timedelta(seconds=11))
        assert reason_of(late) == Reason.RESOLVING_REVISION

    def test_a_token_in_place_of_the_user_is_not_told_while_the_server_is_asked(self) -> None:
        url = "https://52letters@dev.azure.com/contoso/shop/_git/web"
        fresh = resource(spec(source={"git": {"url": url, "revision": "main", "poll": {}}}))
        accepted = after(Git(None).decide(fresh), fresh)
        late = Git(None).decide(accepted, now=NOW + timedelta(seconds=11))
        message = run_of(late).builds[0].message or ""
        assert "52letters" not in message
        assert "dev.azure.com/contoso/shop" in message

    def test_a_revision_that_is_not_there_ends_the_run(self) -> None:
        trouble = Trouble(Reason.REVISION_NOT_FOUND, "no branch 'main'", retry_at=NOW + timedelta(seconds=10))
        decision = Git(trouble).decide(resource(polled()))
        assert (conditions(decision)["SourceReady"], reason_of(decision)) == ("False", Reason.REVISION_NOT_FOUND)
        assert run_of(decision).finished_at == NOW

    def test_a_server_that_is_away_is_waited_for_and_then_the_run_starts_anew_later(self) -> None:
        away = Trouble(Reason.SOURCE_UNREACHABLE, "timed out", passing=True, retry_at=NOW + timedelta(seconds=30))
        fresh = resource(polled())
        waiting = Git(away).decide(fresh)
        assert (reason_of(waiting), waiting.wake_at) == (Reason.SOURCE_UNREACHABLE, away.retry_at)
        assert run_of(waiting).finished_at is None
        ended = Git(away).decide(after(waiting, fresh), now=NOW + timedelta(minutes=10))
        assert run_of(ended).next_run_at is not None

    def test_a_refused_login_is_tried_again_once_its_secret_changes(self) -> None:
        raw = polled()
        raw["source"]["git"]["credentialsRef"] = {"name": "git-login"}
        denied = Git(Trouble(Reason.SOURCE_DENIED, "returned error: 401")).decide(resource(raw))
        assert run_of(denied).inputs == {"Secret/git-login": "hmac"}


class TestNewCommit:
    def test_a_new_commit_starts_a_run_that_says_from_where_to_where(self) -> None:
        decision = at(NEW).decide(built(polled()), now=NOW + FIVE_MINUTES)
        run = run_of(decision)
        assert (run.number, run.trigger) == (2, "SourceRevision")
        assert (run.source.previous_commit, run.source.commit) == (OLD, NEW)
        assert request_of(decision)["git"]["commit"] == NEW

    def test_it_is_announced_with_the_tags_that_follow_from_the_commit(self) -> None:
        done = built({**polled(), "tags": ["<+codebase.shortCommitSha>"]})
        decision = at(NEW).decide(done, now=NOW + FIVE_MINUTES)
        (told,) = [action for action in decision.actions if isinstance(action, Announce)]
        assert told.message == f"Run 2 was accepted (SourceRevision): contoso.azurecr.io/shop/web:{NEW[:7]}."

    def test_its_tags_have_its_own_number(self) -> None:
        done = built({**polled(), "tags": ["1.<+pipeline.sequenceId>"]})
        decision = at(NEW).decide(done, now=NOW + FIVE_MINUTES)
        assert run_of(decision).builds[0].tags == ["1.2"]

    def test_a_commit_whose_run_has_its_condition_not_met_is_passed_over(self) -> None:
        done = built({**polled(), "when": {"condition": "<+pipeline.sequenceId> < 2"}})
        decision = at(NEW).decide(done, now=NOW + FIVE_MINUTES)
        assert (run_of(decision).number, decision.status.polled_commit) == (1, NEW)

    def test_a_condition_without_a_value_for_the_commit_is_told_by_the_run(self) -> None:
        done = built({**polled(), "when": {"condition": '<+codebase.branch>.substring(2) == "in"'}})
        decision = at(NEW, "refs/heads/m").decide(done, now=NOW + FIVE_MINUTES)
        assert (run_of(decision).number, conditions(decision)["SpecValid"]) == (2, "False")
        assert "when.condition: substring(2, 1)" in spec_told(decision)

    def test_a_spec_that_the_next_run_cannot_use_is_refused(self) -> None:
        done = built({**polled(), "buildArgs": {"OF": '<+pipeline.sequenceId gt 1 ? "x".substring(5) : "1">'}})
        decision = at(NEW).decide(done, now=NOW + FIVE_MINUTES)
        assert (run_of(decision).number, decision.status.phase) == (1, "Invalid")
        assert "buildArgs.OF: substring(5, 1)" in spec_told(decision)

    def test_a_commit_starts_the_first_run_where_the_condition_was_not_met_before(self) -> None:
        raw = {**polled(), "when": {"condition": '<+codebase.branch> == "main"'}}
        fresh = resource(raw)
        skipped = after(at(OLD, "refs/heads/other").decide(fresh), fresh)
        passed = after(at(OLD, "refs/heads/other").decide(skipped, now=NOW + FIVE_MINUTES), skipped)
        assert (skipped.status.phase, passed.status.phase, passed.status.polled_commit) == ("Skipped", "Skipped", OLD)
        decision = at(NEW).decide(passed, now=NOW + 2 * FIVE_MINUTES)
        assert (run_of(decision).number, run_of(decision).trigger) == (1, "SourceRevision")
        assert request_of(decision)["git"]["commit"] == NEW

    def test_the_commits_message_is_asked_for_where_only_the_condition_speaks_of_it(self) -> None:
        raw = {**polled(), "when": {"condition": '<+codebase.commitMessage>.contains("[image]")'}}
        done = built(raw, message="[image] first")
        git = at(NEW, message="second [image]")
        assert run_of(git.decide(done, now=NOW + FIVE_MINUTES)).number == 2
        assert [asked.details for asked in git.asked if isinstance(asked, AskCommit)] == [True]

    def test_the_same_commit_changes_nothing(self) -> None:
        done = built(polled())
        decision = at(OLD).decide(done, now=NOW + FIVE_MINUTES)
        assert (decision.status, decision.actions) == (done.status, ())
        assert decision.wake_at is not None
        assert NOW + FIVE_MINUTES < decision.wake_at <= NOW + 2 * FIVE_MINUTES

    def test_while_the_server_is_asked_nothing_changes(self) -> None:
        done = built(polled())
        decision = Git(None).decide(done, now=NOW + FIVE_MINUTES)
        assert (decision.status, decision.actions) == (done.status, ())

    def test_no_commit_is_looked_for_while_a_run_is_on_its_way(self) -> None:
        fresh = resource(polled())
        started = after(at(OLD).decide(fresh), fresh)
        git = at(NEW)
        decision = git.decide(started, pods=(running_pod(),), now=NOW + FIVE_MINUTES)
        assert (git.asked, run_of(decision).number) == ([], 1)

    def test_a_failed_run_is_not_started_again_by_its_own_commit(self) -> None:
        fresh = resource(polled())
        started = after(at(OLD).decide(fresh), fresh)
        log = {AskLog(pod_name(), "kaniko"): "error building image: it broke"}
        failed = after(
            decide(world(started, pods=(ended_pod(1, initContainerStatuses=[source_at(OLD)]),), answers=log)), started
        )
        assert failed.status.phase == "Failed"
        assert at(OLD).decide(failed, now=NOW + FIVE_MINUTES).status.run == failed.status.run
        assert run_of(at(NEW).decide(failed, now=NOW + FIVE_MINUTES)).number == 2

    def test_a_run_that_was_cancelled_before_its_commit_was_known_stays_so(self) -> None:
        fresh = resource(polled())
        accepted = after(Git(None).decide(fresh), fresh)
        cancelled = after(Git(None).decide(replace(accepted, cancel="1")), accepted)
        assert cancelled.status.phase == "Cancelled"
        passed = after(at(OLD).decide(cancelled, now=NOW + FIVE_MINUTES), cancelled)
        assert (run_of(passed).number, passed.status.polled_commit) == (1, OLD)
        assert run_of(at(NEW).decide(passed, now=NOW + 2 * FIVE_MINUTES)).number == 2

    def test_a_branch_that_appears_is_built(self) -> None:
        fresh = resource(polled())
        missing = Trouble(Reason.REVISION_NOT_FOUND, "no branch")
        failed = after(Git(missing).decide(fresh), fresh)
        decision = at(NEW).decide(failed, now=NOW + FIVE_MINUTES)
        assert (run_of(decision).number, run_of(decision).source.commit) == (2, NEW)

    @pytest.mark.parametrize("change", ["suspend", "no poll", "deleted"])
    def test_nobody_is_asked_for(self, change: str) -> None:
        done = built(polled())
        raw = {
            "suspend": {**polled(), "suspend": True},
            "no poll": spec(source={"git": {"url": URL, "revision": "main"}}),
            "deleted": polled(),
        }[change]
        changed = replace(done, spec=raw, deleting=change == "deleted")
        git = at(NEW)
        decision = git.decide(changed, now=NOW + FIVE_MINUTES)
        assert (git.asked, run_of(decision).number) == ([], 1)

    def test_a_change_of_the_spec_comes_first(self) -> None:
        changed = replace(built(polled()), generation=2, spec={**polled(), "target": "other"})
        assert run_of(at(NEW).decide(changed, now=NOW + FIVE_MINUTES)).trigger == "Spec"

    @pytest.mark.proves("source.git.poll.interval")
    @pytest.mark.parametrize(("interval", "most"), [("30s", 30), ("10m", 600), (None, 300)])
    def test_the_interval_says_how_often(self, interval: str | None, most: int) -> None:
        done = built(polled(interval=interval) if interval else polled())
        decision = at(OLD).decide(done, now=NOW + FIVE_MINUTES)
        assert decision.wake_at is not None
        assert timedelta(0) < decision.wake_at - NOW - FIVE_MINUTES <= timedelta(seconds=most)

    def test_poll_shapes_no_image(self) -> None:
        plain = built(spec(source={"git": {"url": URL, "revision": "main"}}))
        asked = replace(plain, generation=2, spec=polled())
        assert run_of(at(OLD).decide(asked)).number == 1

    def test_an_operator_that_starts_makes_up_for_a_look_that_was_due_just_now(self) -> None:
        done = built(polled())
        begins = set()
        for second in range(0, 300, 10):
            git = at(OLD)
            git.decide(done, now=NOW + FIVE_MINUTES + timedelta(seconds=second))
            (asked,) = git.asked
            assert isinstance(asked, AskCommit)
            begins.add(asked.begins)
        assert begins == {True, False}


class TestPaths:
    @pytest.mark.proves("source.git.poll.paths")
    @pytest.mark.parametrize(("touched", "number"), [(True, 2), (False, 1), (None, 1)])
    def test_only_a_commit_that_changes_a_path_starts_a_run(self, touched: bool | None, number: int) -> None:
        git = Git(Commit(NEW, "refs/heads/main"), touched)
        decision = git.decide(built(polled(paths=["services/web", "libs/"])), now=NOW + FIVE_MINUTES)
        assert AskTouched(AT, OLD, NEW, ("services/web", "libs")) in git.asked
        assert run_of(decision).number == number
        assert decision.status.polled_commit == (NEW if touched is False else None)

    def test_a_commit_is_compared_once(self) -> None:
        done = built(polled(paths=["web"]))
        looked = after(Git(Commit(NEW), False).decide(done, now=NOW + FIVE_MINUTES), done)
        git = at(NEW)
        assert git.decide(looked, now=NOW + 2 * FIVE_MINUTES).status == looked.status
        assert not [asked for asked in git.asked if isinstance(asked, AskTouched)]

    def test_the_next_commit_is_compared_with_the_one_that_was_built(self) -> None:
        done = built(polled(paths=["web"]))
        looked = after(Git(Commit(NEW), False).decide(done, now=NOW + FIVE_MINUTES), done)
        git = Git(Commit(NEWER), True)
        decision = git.decide(looked, now=NOW + 2 * FIVE_MINUTES)
        assert AskTouched(AT, OLD, NEWER, ("web",)) in git.asked
        assert run_of(decision).source.previous_commit == OLD
        assert decision.status.polled_commit is None

    def test_other_paths_are_compared_afresh(self) -> None:
        done = built(polled(paths=["web"]))
        looked = after(Git(Commit(NEW), False).decide(done, now=NOW + FIVE_MINUTES), done)
        other = replace(looked, generation=2, spec=polled(paths=["api"]))
        accepted = after(at(NEW).decide(other, now=NOW + FIVE_MINUTES), other)
        assert run_of(Git(Commit(NEW), True).decide(accepted, now=NOW + 2 * FIVE_MINUTES)).number == 2

    def test_commits_that_cannot_be_compared_count_as_changed(self) -> None:
        gone = Trouble(Reason.REVISION_NOT_FOUND, "not our ref")
        decision = Git(Commit(NEW), gone).decide(built(polled(paths=["web"])), now=NOW + FIVE_MINUTES)
        assert run_of(decision).number == 2


class TestTrouble:
    away = Trouble(Reason.SOURCE_UNREACHABLE, "timed out", passing=True, count=3, retry_at=NOW + 2 * FIVE_MINUTES)

    def told(self, decision: Decision) -> tuple[str, str]:
        found = next(item for item in decision.status.conditions if item.type == ConditionType.SOURCE_POLLED)
        return found.status, found.reason

    def test_the_status_says_that_polling_works_from_the_first_run_on(self) -> None:
        assert self.told(at(OLD).decide(built(polled()), now=NOW)) == ("True", Reason.SOURCE_POLLED)

    def test_what_lasts_is_told_once_and_leaves_ready_alone(self) -> None:
        done = built(polled())
        decision = Git(self.away).decide(done, now=NOW + FIVE_MINUTES)
        assert self.told(decision) == ("False", Reason.SOURCE_UNREACHABLE)
        assert conditions(decision)["Ready"] == "True"
        assert [action.reason for action in decision.actions if isinstance(action, Announce)] == ["SourceUnreachable"]
        assert decision.wake_at == self.away.retry_at
        known = after(decision, done)
        other_words = replace(self.away, message="connection refused", count=4)
        again = Git(other_words).decide(known, now=NOW + FIVE_MINUTES)
        assert (again.status, again.actions) == (known.status, ())
        healed = at(OLD).decide(known, now=NOW + 3 * FIVE_MINUTES)
        assert self.told(healed) == ("True", Reason.SOURCE_POLLED)

    def test_a_short_outage_is_not_told(self) -> None:
        done = built(polled())
        short = replace(self.away, count=2)
        assert Git(short).decide(done, now=NOW + FIVE_MINUTES).status == done.status

    def test_a_refusal_is_told_at_once(self) -> None:
        denied = Trouble(Reason.SOURCE_DENIED, "returned error: 401")
        assert self.told(Git(denied).decide(built(polled()), now=NOW + FIVE_MINUTES)) == ("False", "SourceDenied")

    def test_a_host_that_the_installer_has_forbidden_is_asked_no_more(self) -> None:
        git = at(NEW)
        done = built(polled())
        place = replace(world(done, now=NOW + FIVE_MINUTES).settings, git_hosts=("github.com",))
        decision = decide(replace(world(done, now=NOW + FIVE_MINUTES), settings=place))
        assert (git.asked, self.told(decision)) == ([], ("False", Reason.SPEC_INVALID))

    def test_the_condition_goes_with_the_polling(self) -> None:
        done = built(polled())
        off = replace(done, generation=2, spec=spec(source={"git": {"url": URL, "revision": "main"}}))
        accepted = after(at(OLD).decide(off), off)
        assert "SourcePolled" not in conditions(at(OLD).decide(accepted))


class TestExpressions:
    @pytest.mark.parametrize(
        ("tag", "ref", "made"),
        [
            ("<+codebase.shortCommitSha>", "refs/heads/main", OLD[:7]),
            ("<+codebase.branch>-<+pipeline.sequenceId>", "refs/heads/main", "main-1"),
            ("<+codebase.tag>", "refs/tags/v1.4", "v1.4"),
            ("pr-<+codebase.prNumber>", "refs/pull/17/head", "pr-17"),
        ],
    )
    def test_a_tag_has_the_value_of_the_runs_commit(self, tag: str, ref: str, made: str) -> None:
        raw = spec(source={"git": {"url": URL, "revision": "main"}}, tags=["latest", tag])
        decision = at(OLD, ref).decide(resource(raw), answers=free(made))
        assert run_of(decision).builds[0].tags == ["latest", made]
        assert request_of(decision)["git"]["commit"] == OLD

    def test_until_the_commit_is_known_the_status_leaves_such_tags_out(self) -> None:
        raw = spec(source={"git": {"url": URL, "revision": "main"}}, tags=["latest", "<+codebase.commitSha>"])
        assert run_of(Git(None).decide(resource(raw))).builds[0].tags == ["latest"]

    def test_the_condition_speaks_of_the_commit_that_is_built_and_asks_for_it_in_the_same_words(self) -> None:
        raw = spec(
            source={"git": {"url": URL, "revision": "<+pipeline.variables.branch>"}},
            variables={"branch": "main"},
            labels={"by": "<+codebase.gitUserId>"},
            when={"condition": '<+codebase.branch> == "main"'},
        )
        git = at(OLD, author="Ann <ann@example.com>")
        assert run_of(git.decide(resource(raw))).number == 1
        asked = [question for question in git.asked if isinstance(question, AskCommit)]
        assert {(question.at.revision, question.details) for question in asked} == {("main", True)}

    def test_a_condition_without_a_value_for_the_commit_is_refused(self) -> None:
        raw = spec(source={"git": {"url": URL, "revision": "main"}})
        refused = at(OLD).decide(resource({**raw, "when": {"condition": '<+codebase.branch>.substring(9) == "x"'}}))
        assert (refused.status.phase, refused.status.run) == ("Invalid", None)
        assert "when.condition: substring(9, 4) of 'main'" in spec_told(refused)

    def test_a_branch_that_is_no_tag_is_named_with_the_remedy(self) -> None:
        raw = spec(source={"git": {"url": URL, "revision": "feature/x"}}, tags=["<+codebase.branch>"])
        fresh = resource(raw)
        refused = at(OLD, "refs/heads/feature/x").decide(fresh)
        message = spec_told(refused)
        assert "'<+codebase.branch>' becomes 'feature/x'" in message
        assert '<+codebase.branch.replace("/", "-")>' in message
        assert conditions(refused)["Completed"] == "True"
        again = at(OLD, "refs/heads/feature/x").decide(after(refused, fresh), now=NOW + FIVE_MINUTES)
        assert again.status == refused.status

    def test_the_author_and_message_are_asked_for_only_where_they_are_used(self) -> None:
        source = {"git": {"url": URL, "revision": "main"}}
        git = at(OLD, author="Ann <ann@example.com>", message="Mend it")
        raw = spec(source=source, buildArgs={"WHO": "<+codebase.gitUserId>", "WHAT": "<+codebase.commitMessage>"})
        decision = git.decide(resource(raw))
        assert [asked.details for asked in git.asked if isinstance(asked, AskCommit)] == [True]
        (created,) = [action for action in decision.actions if isinstance(action, CreatePod)]
        arguments = created.manifest["spec"]["containers"][0]["args"]
        assert "--build-arg=WHO=Ann <ann@example.com>" in arguments
        assert "--build-arg=WHAT=Mend it" in arguments


def free(tag: str) -> dict[Question, Answer]:
    """The registry has no such tag yet."""
    return {AskTags("contoso.azurecr.io/shop/web", (tag,), "acr"): ReadBack({}, digest_found=False)}


REFUSED = Trouble(Reason.SOURCE_DENIED, "the server wants a login")
PASSING = Trouble(Reason.SOURCE_UNREACHABLE, "no answer", passing=True)
LASTING = replace(PASSING, count=3)


FOUND = Commit(NEW, "refs/heads/main")
LOOKS: dict[str, tuple[Answer, Answer]] = {
    "no answer yet": (None, None),
    "refused": (REFUSED, None),
    "away": (PASSING, None),
    "away for long": (LASTING, None),
    "the same commit": (Commit(OLD, "refs/heads/main"), None),
    "a commit elsewhere": (FOUND, False),
    "not compared yet": (FOUND, None),
    "away when it compares": (FOUND, PASSING),
    "away for long when it compares": (FOUND, LASTING),
}


@pytest.mark.parametrize("what", LOOKS)
def test_whatever_came_of_a_look_the_next_one_comes(what: str) -> None:
    """No event tells of a commit."""
    of = built(polled(interval="5m", paths=["web"]))
    first = Git(*LOOKS[what]).decide(of)
    assert first.wake_at is not None
    assert NOW < first.wake_at <= NOW + FIVE_MINUTES
    told = after(first, of)
    second = Git(*LOOKS[what]).decide(told, now=first.wake_at)
    assert second.wake_at == first.wake_at + FIVE_MINUTES
    assert (second.status, second.actions) == (told.status, ()), "the status tells each thing once"


@pytest.mark.parametrize("touched", [None, LASTING])
def test_where_commits_cannot_be_compared_now_the_status_names_the_trouble(touched: Answer) -> None:
    of = built(polled(interval="5m", paths=["web"]))
    decision = Git(LASTING if touched is None else FOUND, touched).decide(of)
    condition = next(item for item in decision.status.conditions if item.type == ConditionType.SOURCE_POLLED)
    assert (condition.status, condition.reason) == ("False", Reason.SOURCE_UNREACHABLE)
    assert "no answer" in condition.message
    (told,) = decision.actions
    assert isinstance(told, Announce)
    assert (told.reason, told.message) == (Reason.SOURCE_UNREACHABLE, condition.message)
