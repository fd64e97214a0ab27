"""When a revision is looked at."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildandpush.api.sources.git import GitSource
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.spec.poll import PollPlan, find_look, plan_poll
from tests.unit.core.factories import NOW, OWNER

INTERVALS = st.integers(30, 7 * 86400).map(lambda seconds: timedelta(seconds=seconds))
TIMES = st.integers(0, 10**8).map(lambda seconds: NOW + timedelta(seconds=seconds))


def git(url: str = "https://git.example/shop.git", revision: str = "main", **poll: Any) -> GitSource:
    return GitSource.model_validate({"url": url, "revision": revision, "poll": poll})


class TestPlan:
    def test_the_defaults(self) -> None:
        assert plan_poll(git()) == PollPlan(timedelta(minutes=5))

    def test_what_is_not_polled_has_no_plan(self) -> None:
        assert plan_poll(None) is None
        assert plan_poll(GitSource(url="https://git.example/shop.git")) is None

    def test_paths_are_normalised_and_named_once(self) -> None:
        plan = plan_poll(git(interval="1h 30m", paths=["services/web/", "./libs//a", "services/web"]))
        assert plan == PollPlan(timedelta(minutes=90), ("services/web", "libs/a"))

    @pytest.mark.parametrize(
        ("poll", "words"),
        [
            ({"interval": "29s"}, "less than 30s"),
            ({"interval": "soon"}, "is no duration"),
            ({"paths": ["../other"]}, "leaves the source"),
            ({"paths": ["/etc"]}, "is absolute"),
            ({"paths": ["."]}, "whole repository"),
            ({"paths": ["services/*"]}, "looks like a pattern"),
        ],
    )
    def test_what_is_refused(self, poll: dict[str, Any], words: str) -> None:
        with pytest.raises(SpecInvalidError) as caught:
            plan_poll(git(**poll))
        assert words in str(caught.value)
        assert "source.git.poll." in str(caught.value)


class TestLook:
    @given(interval=INTERVALS, now=TIMES, uid=st.text(max_size=8))
    def test_a_look_is_due_once_in_each_interval(self, interval: timedelta, now: Any, uid: str) -> None:
        plan = PollPlan(interval)
        look = find_look(plan, git(), uid, now)
        due = look.next_at - interval
        assert due <= now < look.next_at
        assert look.since <= due < look.since + interval
        assert look.is_recent == (now - due <= max(timedelta(minutes=1), interval / 10))
        following = find_look(plan, git(), uid, look.next_at)
        assert (following.since, following.next_at) == (look.since + interval, look.next_at + interval)

    @given(interval=INTERVALS, now=TIMES)
    def test_resources_with_one_revision_can_share_an_answer(self, interval: timedelta, now: Any) -> None:
        looks = [find_look(PollPlan(interval), git(), f"uid-{number}", now) for number in range(20)]
        assert max(look.since for look in looks) - min(look.since for look in looks) in (timedelta(0), interval)
        dues = [look.next_at - look.since for look in looks]
        assert max(dues) - min(dues) <= interval / 10

    def test_different_revisions_are_looked_at_at_different_times(self) -> None:
        plan = PollPlan(timedelta(minutes=5))
        seconds = {find_look(plan, git(revision=f"r{n}"), OWNER.uid, NOW).since.timestamp() % 300 for n in range(300)}
        assert len(seconds) > 150
