"""While a quota has no room, one build tries for all of its namespace, and the next one as soon as there is room."""

from datetime import UTC, datetime, timedelta

import pytest

from buildandpush.api import meta
from buildandpush.api.reasons import Reason
from buildandpush.core.build.world import Refusal
from buildandpush.core.facts import Owner
from buildandpush.handlers.objects import Key
from buildandpush.handlers.quotas import RETRY, Quotas
from buildandpush.handlers.reconcile import Reconciler
from tests.unit.core.factories import spec
from tests.unit.handlers.cluster import Cluster

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
WORDS = "exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2"


def owner(name: str, namespace: str = "shop") -> Owner:
    return Owner(namespace, name, f"uid-{name}")


def full(name: str = "a") -> Refusal:
    return Refusal(Reason.QUOTA_EXCEEDED, f'pods "{name}" is forbidden: {WORDS}', final=False)


@pytest.fixture
def woken() -> list[str]:
    return []


@pytest.fixture
def quotas(woken: list[str]) -> Quotas:
    return Quotas(lambda found: woken.append(found.name))


def test_without_a_refusal_every_build_tries(quotas: Quotas) -> None:
    quotas.note(owner("a"), None, NOW)
    assert quotas.find_refusal(owner("b"), NOW) is None
    assert quotas.find_refusal(owner("b"), NOW) is None


def test_a_refusal_holds_for_the_namespace_until_one_tries_again(quotas: Quotas) -> None:
    quotas.note(owner("a"), full(), NOW)
    assert quotas.find_refusal(owner("b", "other"), NOW) is None
    assert quotas.find_refusal(owner("b"), NOW + RETRY - timedelta(seconds=1)) is not None
    assert quotas.find_refusal(owner("b"), NOW + RETRY) is None
    assert quotas.find_refusal(owner("c"), NOW + RETRY) is not None, "b tries for all"


def test_a_clock_that_goes_back_holds_nobody_up(quotas: Quotas) -> None:
    quotas.note(owner("a"), full(), NOW)
    assert quotas.find_refusal(owner("b"), NOW - timedelta(hours=8)) is None


def test_the_words_of_another_builds_refusal_do_not_name_its_pod(quotas: Quotas) -> None:
    quotas.note(owner("a"), full("a"), NOW)
    told = quotas.find_refusal(owner("b"), NOW)
    assert told == Refusal(Reason.QUOTA_EXCEEDED, WORDS, final=False)


def test_a_build_keeps_its_own_words_so_that_its_status_stays(quotas: Quotas) -> None:
    quotas.note(owner("a"), full("a"), NOW)
    quotas.find_refusal(owner("c"), NOW)
    other = Refusal(Reason.QUOTA_EXCEEDED, "exceeded quota: small, requested: pods=9", final=False)
    quotas.note(owner("b"), other, NOW + RETRY)
    assert quotas.find_refusal(owner("a"), NOW + RETRY) == full("a")
    assert quotas.find_refusal(owner("c"), NOW + RETRY) == Refusal(Reason.QUOTA_EXCEEDED, WORDS, final=False)


def test_where_one_pod_has_fitted_in_the_next_one_is_tried(quotas: Quotas, woken: list[str]) -> None:
    for name in "abc":
        quotas.note(owner(name), full(name), NOW)
    quotas.note(owner("d"), None, NOW)
    assert woken == ["a"]
    assert quotas.find_refusal(owner("a"), NOW) is None
    assert quotas.find_refusal(owner("b"), NOW) is not None
    quotas.note(owner("a"), full("a"), NOW)
    quotas.note_room("shop")
    assert woken == ["a", "b"], "who was refused again waits behind the others"


def test_the_last_that_fits_in_ends_the_waiting(quotas: Quotas, woken: list[str]) -> None:
    quotas.note(owner("a"), full("a"), NOW)
    quotas.note(owner("a"), None, NOW + RETRY)
    assert woken == []
    assert quotas.find_refusal(owner("b"), NOW + RETRY) is None
    assert quotas.find_refusal(owner("c"), NOW + RETRY) is None


def test_another_refusal_says_nothing_of_the_quota(quotas: Quotas, woken: list[str]) -> None:
    quotas.note(owner("a"), full("a"), NOW)
    quotas.note(owner("b"), Refusal(Reason.POD_REFUSED, "a policy", final=True), NOW + RETRY)
    assert woken == []
    assert quotas.find_refusal(owner("c"), NOW + timedelta(seconds=1)) is not None


def test_a_build_that_is_gone_holds_up_no_other(quotas: Quotas, woken: list[str]) -> None:
    for name in "ab":
        quotas.note(owner(name), full(name), NOW)
    quotas.note_room("shop")
    quotas.note_room("shop")
    assert woken == ["a", "b"]
    quotas.note_room("shop")
    quotas.note_room("other")
    assert quotas.find_refusal(owner("c"), NOW) is None


async def test_resources_that_are_gone_are_not_woken_in_place_of_others(woken: list[str]) -> None:
    """Nor kept: whoever makes and deletes resources while a quota is full would fill the memory."""
    cluster = Cluster()
    quotas = Quotas(lambda found: woken.append(found.name))
    reconciler = cluster.make_reconciler()
    reconciler._quotas = quotas
    for name in ("gone", "other"):
        quotas.note(owner(name), full(name), NOW)
    await reconciler.reconcile(Key(meta.BUILD_KIND, "shop", "gone"))
    quotas.note_room("shop")
    assert woken == ["other"]
    await reconciler.reconcile(Key(meta.BUILD_KIND, "shop", "other"))
    assert not quotas._lines


async def test_a_thousand_waiting_builds_offer_one_pod() -> None:
    """And each of them says what it waits for."""
    cluster = Cluster()
    cluster.api.refuse = lambda verb, plural, name: (
        (403, f"pods is forbidden: {WORDS}") if (verb, plural) == ("POST", "pods") else None
    )
    offers: list[str] = []
    refuse = cluster.api.refuse

    def count(verb: str, plural: str, name: str) -> tuple[int, str] | None:
        offers.extend([plural] if (verb, plural) == ("POST", "pods") else [])
        return refuse(verb, plural, name)

    cluster.api.refuse = count
    names = [f"b{number}" for number in range(50)]
    for name in names:
        cluster.api.put(meta.BUILD_PLURAL, {"metadata": {"namespace": "shop", "name": name}, "spec": spec()})
    cluster.restart()
    reconciler: Reconciler = cluster.make_reconciler()
    for name in names:
        await reconciler.reconcile(Key(meta.BUILD_KIND, "shop", name))
    assert len(offers) == 1
    for name in names:
        status = cluster.api.get(meta.BUILD_PLURAL, "shop", name)["status"]
        assert status["run"]["builds"][0]["reason"] == Reason.QUOTA_EXCEEDED
        assert WORDS in status["run"]["builds"][0]["message"]
