"""Who of those that wait may have a pod."""

from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildandpush.core.build.slots import Waiter, choose, describe_limits, find_able, has_slot
from buildandpush.core.settings import SlotLimits
from tests.unit.core.factories import NOW


def waiter(namespace: str, number: int, priority: int = 0) -> Waiter:
    return Waiter(namespace, f"{namespace}-{number}", NOW + timedelta(seconds=number), priority)


def names(chosen: list[Waiter]) -> list[str]:
    return [found.pod for found in chosen]


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        (SlotLimits(namespace=1), "namespace shop may have 1 build at once"),
        (SlotLimits(operator=10), "all namespaces together may have 10 builds at once"),
        (
            SlotLimits(10, 2),
            "namespace shop may have 2 builds at once, and all namespaces together may have 10 builds at once",
        ),
        (SlotLimits(namespace=5, lowered={"shop": 3, "bank": 1}), "namespace shop may have 3 builds at once"),
        (SlotLimits(namespace=5, lowered={"shop": 0}), "namespace shop may have no builds at once"),
        (SlotLimits(namespace=5, lowered={"shop": 9}), "namespace shop may have 5 builds at once"),
    ],
)
def test_what_a_build_waits_for(limits: SlotLimits, text: str) -> None:
    assert describe_limits(limits, "shop") == text


@pytest.mark.parametrize(
    ("limits", "used", "free"),
    [
        (SlotLimits(), {"shop": 1000}, True),
        (SlotLimits(namespace=2), {"shop": 1, "bank": 5}, True),
        (SlotLimits(namespace=2), {"shop": 2}, False),
        (SlotLimits(operator=3), {"shop": 1, "bank": 1}, True),
        (SlotLimits(operator=3), {"bank": 3}, False),
        (SlotLimits(10, 2), {"shop": 2}, False),
        # Whoever may make pods may make many that look like builds. So they take the places of their namespace alone.
        (SlotLimits(10, 2), {"bank": 50}, True),
        (SlotLimits(4, 2), {"bank": 50, "mill": 50}, False),
        (SlotLimits(namespace=2, lowered={"shop": 1}), {"shop": 1}, False),
        (SlotLimits(namespace=2, lowered={"bank": 1}), {"shop": 1}, True),
    ],
)
def test_whether_there_is_a_slot(limits: SlotLimits, used: dict[str, int], *, free: bool) -> None:
    assert has_slot(limits, used, "shop") is free


def test_the_run_that_was_accepted_first_comes_first() -> None:
    waiting = [waiter("shop", number) for number in (3, 1, 2)]
    assert names(choose(waiting, SlotLimits(namespace=2), {}, {})) == ["shop-1", "shop-2"]


def test_a_higher_priority_comes_before() -> None:
    waiting = [waiter("shop", 1), waiter("shop", 2, priority=100), waiter("shop", 3, priority=-1)]
    assert names(choose(waiting, SlotLimits(namespace=5), {}, {})) == ["shop-2", "shop-1", "shop-3"]


def test_a_priority_is_no_advantage_over_other_namespaces() -> None:
    waiting = [waiter("shop", 1, priority=1000), waiter("shop", 2, priority=1000), waiter("bank", 3)]
    assert names(choose(waiting, SlotLimits(operator=2), {}, {})) == ["shop-1", "bank-3"]


def test_the_namespace_with_the_fewest_builds_comes_first() -> None:
    waiting = [waiter("shop", 1), waiter("bank", 2)]
    assert names(choose(waiting, SlotLimits(operator=4), {"shop": 2, "bank": 1}, {})) == ["bank-2"]


def test_namespaces_have_their_turns_one_after_the_other() -> None:
    """A single slot. The namespace that has waited for longest since its last turn gets it."""
    waiting = [waiter("shop", number) for number in range(5)] + [waiter("bank", number) for number in range(10, 12)]
    turns: dict[str, int] = {}
    order: list[str] = []
    while waiting:
        (found,) = choose(waiting, SlotLimits(operator=1), {}, turns)
        turns[found.namespace] = len(order) + 1
        order.append(found.pod)
        waiting.remove(found)
    assert order == ["shop-0", "bank-10", "shop-1", "bank-11", "shop-2", "shop-3", "shop-4"]


class CountedLimits(SlotLimits):
    """Counts how often somebody asks for the limit of a namespace."""

    asked = 0

    def of(self, namespace: str) -> int | None:
        type(self).asked += 1
        return super().of(namespace)


def test_each_namespace_is_looked_at_once_however_many_slots_are_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands may wait, and each pass over any of them asks who is next."""
    monkeypatch.setattr(CountedLimits, "asked", 0)
    waiting = [waiter(f"n{space}", number) for space in range(100) for number in range(5)]
    assert len(choose(waiting, CountedLimits(operator=200, namespace=3), {"n1": 2}, {})) == 198
    assert CountedLimits.asked <= len({one.namespace for one in waiting})


def test_no_namespace_is_looked_at_while_all_slots_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CountedLimits, "asked", 0)
    limits = CountedLimits(operator=2, namespace=3)
    assert find_able(["shop", "bank"], limits, {"mail": 1, "mill": 1}) == []
    assert (CountedLimits.asked, find_able(["shop", "mail"], limits, {"mail": 1})) == (0, ["shop", "mail"])


WAITERS = st.lists(
    st.builds(waiter, st.sampled_from(["shop", "bank", "mail"]), st.integers(0, 30), st.integers(0, 2)),
    max_size=20,
    unique_by=lambda found: found.pod,
)


@given(
    WAITERS,
    st.builds(SlotLimits, st.integers(1, 6), st.integers(1, 4), st.dictionaries(st.just("bank"), st.integers(0, 3))),
    st.dictionaries(st.sampled_from(["shop", "bank"]), st.integers(0, 3)),
)
def test_no_limit_is_passed_and_no_slot_stays_free(
    waiting: list[Waiter], limits: SlotLimits, used: dict[str, int]
) -> None:
    chosen = choose(waiting, limits, used, {})
    given_out = Counter(found.namespace for found in chosen)
    after = Counter(used) + given_out
    for namespace in given_out:
        assert after[namespace] <= (limits.of(namespace) or 0)
    places = sum(min(number, limits.namespace) for number in after.values())
    assert not chosen or places <= limits.operator
    left = [found for found in waiting if found not in chosen]
    assert not any(has_slot(limits, after, found.namespace) for found in left)
    for found in chosen:
        behind = [other for other in left if other.namespace == found.namespace]
        assert all(found.order < other.order for other in behind)
