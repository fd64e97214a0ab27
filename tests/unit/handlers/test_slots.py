"""Builds that wait for a slot, over a cluster in memory."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from buildandpush.api import meta
from buildandpush.clients.errors import KubernetesError, UnavailableError
from buildandpush.core.build.questions import AskSlot
from buildandpush.core.settings import SlotLimits
from buildandpush.handlers.informers.store import Store
from buildandpush.handlers.objects import Key
from buildandpush.handlers.quotas import RETRY
from buildandpush.handlers.reconcile import Reconciler
from buildandpush.handlers.slots import MOST_TURNS, PATIENCE, UNANSWERED, Slots
from tests.unit.core.factories import SETTINGS, spec
from tests.unit.handlers.cluster import WEB, Cluster
from tests.unit.handlers.fake_api import Write

API = Key(meta.BUILD_KIND, "shop", "api")
MAIL = Key(meta.BUILD_KIND, "shop", "mail")
WAITS = "The build waits until another build has ended (namespace shop may have 1 build at once)."


class Facts:
    """What the installer lets the operator read."""

    def __init__(self) -> None:
        self.limit: int | None = None
        self.priorities: dict[str, int] = {}

    async def find_limit(self, namespace: str) -> int | None:
        return self.limit

    async def find_priority(self, name: str) -> int:
        return self.priorities.get(name, 0)


class Shop(Cluster):
    """Three builds in one namespace that may have one at once, and one process of the operator."""

    def __init__(self, limits: SlotLimits) -> None:
        self.woken: list[Key] = []
        self.facts = Facts()
        super().__init__(settings=replace(SETTINGS, slots=limits))
        for key in (API, MAIL):
            body = {"metadata": {"namespace": "shop", "name": key.name}, "status": {"observedGeneration": -1}}
            self.api.put(meta.BUILD_PLURAL, {**body, "spec": spec(repository=f"contoso.azurecr.io/shop/{key.name}")})
        self.start()

    def start(self) -> None:
        """A new process, which knows what the API server holds."""
        self.restart()
        self.operator = self.make_reconciler()

    def make_reconciler(self) -> Reconciler:
        made = super().make_reconciler()
        made._slots._wake = self.woken.append
        made._sources = replace(made._sources, cluster=cast("Any", self.facts))
        return made

    async def work(self, *keys: Key) -> None:
        for key in keys:
            self.watch()
            await self.operator.reconcile(key)

    def build(self, key: Key) -> dict[str, Any]:
        found: dict[str, Any] = self.api.get(meta.BUILD_PLURAL, "shop", key.name)["status"]["run"]["builds"][0]
        return found

    def has_pod(self, key: Key) -> bool:
        return any(pod["metadata"]["ownerReferences"][0]["name"] == key.name for pod in self.pods)

    def end(self, key: Key) -> None:
        """The build's pod has ended, and is kept for its log."""
        (pod,) = [pod for pod in self.pods if pod["metadata"]["ownerReferences"][0]["name"] == key.name]
        state = {"exitCode": 1, "reason": "Error", "message": ""}
        self._set(pod, {"phase": "Failed", "containerStatuses": [{"name": "kaniko", "state": {"terminated": state}}]})


@pytest.fixture
def shop() -> Shop:
    return Shop(SlotLimits(namespace=1))


async def test_a_build_without_a_slot_says_for_what_it_waits(shop: Shop) -> None:
    await shop.work(WEB, API)
    assert shop.has_pod(WEB)
    assert not shop.has_pod(API)
    build = shop.build(API)
    assert (build["phase"], build["reason"], build["message"]) == ("Pending", "Queued", WAITS)


async def test_it_is_told_once_and_is_no_warning(shop: Shop) -> None:
    for _ in range(3):
        await shop.work(WEB, API)
    told = [event for event in shop.api.all("events") if event["reason"] == "Queued"]
    assert [
        (event["type"], event["regarding"]["name"] if "regarding" in event else event["involvedObject"]["name"])
        for event in told
    ] == [("Normal", "api")]


async def test_nothing_is_written_while_it_waits(shop: Shop) -> None:
    await shop.work(WEB, API, MAIL)
    before = len(shop.api.writes)
    await shop.work(MAIL, API, MAIL, API)
    assert shop.api.written()[before:] == []


async def test_without_limits_nobody_waits() -> None:
    shop = Shop(SlotLimits())
    await shop.work(WEB, API, MAIL)
    assert len(shop.pods) == 3


async def test_the_first_that_waits_is_woken_once_a_build_ends(shop: Shop) -> None:
    await shop.work(WEB, API)
    shop.now += (later := timedelta(seconds=1))
    await shop.work(MAIL)
    shop.now += later
    shop.woken.clear()
    shop.end(WEB)
    await shop.work(WEB)
    assert set(shop.woken) == {API}
    await shop.work(MAIL)
    assert not shop.has_pod(MAIL), "it comes after the other, even if it asks first"
    await shop.work(API)
    assert shop.has_pod(API)


async def test_a_build_is_woken_once_until_it_asks_again(shop: Shop) -> None:
    """Its pass may have failed, and then waits before the next."""
    await shop.work(WEB, API)
    shop.end(WEB)
    await shop.work(WEB, WEB, WEB)
    assert shop.woken == [API]


async def test_of_builds_that_ask_at_the_same_time_one_gets_the_slot(shop: Shop) -> None:
    shop.watch()
    await asyncio.gather(*(shop.operator.reconcile(key) for key in (WEB, API, MAIL)))
    assert len(shop.pods) == 1


async def test_a_new_process_counts_the_pods_that_are_there(shop: Shop) -> None:
    await shop.work(WEB)
    shop.start()
    await shop.work(API)
    assert not shop.has_pod(API)


async def test_a_pod_that_a_queueing_system_holds_keeps_its_place_and_is_waited_for(shop: Shop) -> None:
    """As Kueue does, by a scheduling gate."""
    await shop.work(WEB)
    pod = shop.pod
    gate = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated", "message": "gated"}
    shop.api.put("pods", {**pod, "status": {"phase": "Pending", "conditions": [gate]}})
    for _ in range(3):
        shop.now += timedelta(days=1)
        await shop.work(WEB, API)
        assert [shop.build(key)["reason"] for key in (WEB, API)] == ["SchedulingGated", "Queued"]
    assert len(shop.pods) == 1


async def test_a_lower_limit_stops_no_build_that_has_its_pod() -> None:
    shop = Shop(SlotLimits(namespace=3))
    await shop.work(WEB, API)
    shop.settings = replace(SETTINGS, slots=SlotLimits(namespace=1))
    shop.start()
    await shop.work(WEB, API, MAIL)
    assert [shop.build(key)["reason"] for key in (WEB, API, MAIL)] == ["PodCreated", "PodCreated", "Queued"]
    assert all("deletionTimestamp" not in pod["metadata"] for pod in shop.pods)


async def test_what_a_namespace_allows_itself_is_kept_while_somebody_waits_there() -> None:
    """Namespaces come and go, and one of the same name may have another limit."""
    shop = Shop(SlotLimits(namespace=3))
    shop.facts.limit = 1
    await shop.work(WEB, API)
    assert shop.operator._slots._limits.of("shop") == 1
    for key in (WEB, API):
        shop.store.drop(meta.BUILD_KIND, shop.api.get(meta.BUILD_PLURAL, "shop", key.name))
        shop.api.drop(meta.BUILD_PLURAL, "shop", key.name)
    await shop.work(WEB, API)
    assert not shop.operator._slots._limits.lowered


async def test_a_pod_that_is_refused_gives_its_slot_back(shop: Shop) -> None:
    shop.api.refuse = lambda verb, plural, name: (403, "exceeded quota") if (verb, plural) == ("POST", "pods") else None
    await shop.work(WEB)
    shop.api.refuse = lambda verb, plural, name: None
    shop.now += RETRY
    await shop.work(API)
    assert shop.has_pod(API)


async def test_a_pod_whose_creation_got_no_answer_keeps_its_slot(shop: Shop) -> None:
    """It may be there all the same."""

    def lose(write: Write) -> None:
        if str(write).startswith("POST pods"):
            raise UnavailableError("the answer was lost")

    shop.api.after_write = lose
    with pytest.raises(UnavailableError):
        await shop.operator.reconcile(WEB)
    shop.api.after_write = lambda write: None
    await shop.operator.reconcile(API)
    assert shop.build(API)["reason"] == "Queued"
    await shop.operator.reconcile(WEB)
    assert [pod["metadata"]["ownerReferences"][0]["name"] for pod in shop.pods] == ["web"]


async def test_a_creation_that_never_gets_an_answer_holds_up_nobody_for_long(shop: Shop) -> None:
    """As where an admission webhook hangs for the pods of one build."""

    def refuse(verb: str, plural: str, name: str) -> tuple[int, str] | None:
        return (504, "request did not complete within 34s") if (verb, plural) == ("POST", "pods") else None

    shop.facts.priorities = {"urgent": 1000}
    body = shop.api.get(meta.BUILD_PLURAL, "shop", "web")
    shop.api.put(meta.BUILD_PLURAL, {**body, "spec": {**body["spec"], "podTemplate": {"priorityClassName": "urgent"}}})
    shop.api.refuse = refuse
    began = shop.now
    while shop.now < began + UNANSWERED:
        with pytest.raises(UnavailableError):
            await shop.work(WEB)
        await shop.work(API, MAIL)
        assert [shop.build(key)["reason"] for key in (API, MAIL)] == ["Queued", "Queued"]
        shop.now += timedelta(minutes=1)
    shop.woken.clear()
    await shop.work(WEB)
    assert shop.build(WEB)["reason"] == "Queued", "it waits behind the others, whatever its priority"
    assert shop.woken == [API]
    shop.api.refuse = lambda verb, plural, name: None
    await shop.work(WEB, API, WEB)
    assert shop.has_pod(API)
    shop.end(API)
    shop.now += UNANSWERED
    await shop.work(WEB)
    assert shop.has_pod(WEB), "it has its turn again"
    assert shop.operator._slots._behind == {}


async def test_a_resource_that_is_deleted_while_it_waits_holds_up_nobody(shop: Shop) -> None:
    await shop.work(WEB, API, MAIL)
    shop.end(WEB)
    shop.api.drop(meta.BUILD_PLURAL, "shop", "api")
    shop.store.drop(meta.BUILD_KIND, shop.store.get(API) or {})
    await shop.operator.reconcile(API)
    await shop.work(WEB, MAIL)
    assert shop.has_pod(MAIL)


async def test_a_build_that_waits_can_be_suspended_or_changed(shop: Shop) -> None:
    await shop.work(WEB, API)
    body = shop.api.get(meta.BUILD_PLURAL, "shop", "api")
    changed = spec(repository="contoso.azurecr.io/shop/api", target="other")
    shop.api.put(meta.BUILD_PLURAL, {**body, "spec": changed})
    await shop.work(API, API)
    assert shop.build(API)["reason"] == "Queued"
    shop.end(WEB)
    await shop.work(WEB, API)
    assert shop.has_pod(API)


async def test_a_namespace_may_allow_itself_fewer_builds() -> None:
    shop = Shop(SlotLimits(namespace=2, asks_namespaces=True))
    shop.facts.limit = 1
    await shop.work(WEB, API)
    assert shop.build(API)["message"] == WAITS
    shop.facts.limit = None
    await shop.work(API)
    assert shop.has_pod(API)


async def test_a_namespace_may_hold_its_builds_though_the_installer_sets_no_limit() -> None:
    shop = Shop(SlotLimits(asks_namespaces=True))
    shop.facts.limit = 0
    await shop.work(WEB)
    assert "namespace shop may have no builds at once" in shop.build(WEB)["message"]


async def test_a_higher_priority_comes_first(shop: Shop) -> None:
    shop.facts.priorities = {"urgent": 1000}
    await shop.work(WEB, API)
    body = shop.api.get(meta.BUILD_PLURAL, "shop", "mail")
    shop.api.put(meta.BUILD_PLURAL, {**body, "spec": {**body["spec"], "podTemplate": {"priorityClassName": "urgent"}}})
    await shop.work(MAIL)
    shop.end(WEB)
    await shop.work(WEB, API)
    assert not shop.has_pod(API)
    await shop.work(MAIL)
    assert shop.has_pod(MAIL)


async def test_a_slot_that_a_failed_pass_did_not_use_goes_to_others(shop: Shop) -> None:
    """The API server may refuse this status for ever, and each try asks for the slot again."""
    shop.api.refuse = lambda verb, plural, name: (
        (422, "the status is refused") if (verb, plural, name) == ("PUT", meta.BUILD_PLURAL, "web") else None
    )
    shop.operator._slots.answer(WEB, AskSlot("web-pod", shop.now), shop.now)
    shop.woken.clear()
    with pytest.raises(KubernetesError):
        await shop.operator.reconcile(WEB)
    await shop.work(API)
    assert shop.has_pod(API)


async def test_a_build_that_was_woken_and_does_not_come_holds_up_nobody(shop: Shop) -> None:
    """Its passes fail, or it is kept apart since it held the event loop."""
    await shop.work(WEB, API)
    shop.now += timedelta(seconds=1)
    await shop.work(MAIL)
    shop.end(WEB)
    await shop.work(WEB)
    assert shop.woken == [API]
    await shop.work(MAIL)
    assert not shop.has_pod(MAIL)
    shop.now += PATIENCE
    await shop.work(WEB)
    assert shop.woken == [API, MAIL]
    await shop.work(MAIL)
    assert shop.has_pod(MAIL)


async def test_a_build_that_comes_late_has_its_turn_again(shop: Shop) -> None:
    await shop.work(WEB, API)
    shop.end(WEB)
    await shop.work(WEB)
    shop.now += PATIENCE
    await shop.work(API)
    assert shop.has_pod(API)


def test_namespaces_that_come_and_go_leave_nothing_behind_while_one_waits_for_ever() -> None:
    limits = SlotLimits(operator=4, lowered={"paused": 0}, asks_namespaces=True)
    slots, now = Slots(Store(), limits, timedelta(minutes=5)), datetime(2026, 3, 14, tzinfo=UTC)

    def take(namespace: str, limit: int | None = None) -> str:
        key = Key(meta.BUILD_KIND, namespace, "web")
        waits_for = slots.answer(key, AskSlot(f"{namespace}-pod", now), now, lowered=limit)
        slots.settle(key, now)
        return waits_for

    assert take("paused", 0)
    for number in range(2 * MOST_TURNS):
        assert not take(f"pr-{number}")
        slots.forget(Key(meta.BUILD_KIND, f"pr-{number}", "web"), now)
    assert len(slots._turns) == MOST_TURNS
    newest = 2 * MOST_TURNS - 1
    assert slots._turns[f"pr-{newest}"] > slots._turns[f"pr-{newest - 1}"], "the order of the turns is known"
