"""One pass after the other over a cluster in memory: in order, repeatable, and safe to kill anywhere."""

from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from buildandpush.api import meta
from buildandpush.clients.errors import UnavailableError
from buildandpush.clients.traffic.places import NAMESPACE
from buildandpush.core.backoff import late_seconds
from buildandpush.core.build.watch import SETTLES
from buildandpush.core.pod.observation import observe_pod
from buildandpush.core.run.decide import decide
from buildandpush.handlers import reconcile
from buildandpush.handlers.connectors import LINGER
from tests.unit.core.factories import DIGEST
from tests.unit.handlers.cluster import CONNECTOR, WEB, Cluster, FakeReader
from tests.unit.handlers.fake_api import CrashError, Write

STATUS = f"PUT {meta.BUILD_PLURAL}/status/web"
MAX_WRITES = 60


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


async def test_intent_is_written_before_the_pod_is_created(cluster: Cluster) -> None:
    seen: list[dict[str, Any]] = []
    cluster.api.before_write = lambda write: seen.append(cluster.status) if str(write).startswith("POST pods") else None
    await cluster.reconcile()
    writes = cluster.api.written()
    pod = cluster.pod["metadata"]["name"]
    assert writes.index(STATUS) < writes.index(f"POST pods/{pod}")
    (before,) = seen
    assert before["run"]["number"] == 1
    assert before["run"]["builds"][0]["podName"] == pod
    assert before["run"]["specHash"]


async def test_login_is_there_before_the_pod(cluster: Cluster) -> None:
    await cluster.reconcile()
    plurals = [write.plural for write in cluster.api.writes]
    assert plurals.index("secrets") < plurals.index("pods")


async def test_run_goes_from_spec_to_image(cluster: Cluster) -> None:
    await cluster.settle()
    assert cluster.ready[0] == "Unknown"
    cluster.start_kaniko()
    await cluster.settle()
    assert cluster.status["phase"] == "Running"
    cluster.end_kaniko()
    await cluster.settle()
    assert cluster.ready == ("True", "Succeeded")
    assert cluster.status["digest"] == DIGEST
    assert cluster.registry.asked


async def test_pod_of_another_namespace_ends_no_run_though_it_has_the_name_the_owner_and_the_labels(
    cluster: Cluster,
) -> None:
    await cluster.settle()
    made = cluster.pod
    ended = {"exitCode": 0, "message": DIGEST}
    cluster.store.put_pod(
        {
            **made,
            "metadata": {**made["metadata"], "namespace": "evil", "uid": "evil", "resourceVersion": "999"},
            "status": {
                "phase": "Succeeded",
                "containerStatuses": [{"name": "kaniko", "state": {"terminated": ended}}],
            },
        }
    )
    await cluster.reconcile()
    assert cluster.ready[0] == "Unknown"
    assert cluster.registry.asked == []


async def test_what_a_pass_asks_servers_outside_is_asked_for_its_namespace_alone(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_for: list[str] = []
    monkeypatch.setattr(reconcile, "decide", lambda world: asked_for.append(NAMESPACE.get()) or decide(world))
    await cluster.settle()
    assert set(asked_for) == {"shop"}
    assert NAMESPACE.get() == ""


async def test_second_pass_writes_nothing(cluster: Cluster) -> None:
    for step in (lambda: None, cluster.start_kaniko, cluster.end_kaniko):
        step()
        await cluster.settle()
        before = len(cluster.api.writes)
        for _ in range(3):
            await cluster.reconcile()
        assert cluster.api.written()[before:] == []


async def test_restarted_operator_writes_nothing_where_nothing_changed(cluster: Cluster) -> None:
    await cluster.settle()
    cluster.end_kaniko()
    await cluster.settle()
    before = len(cluster.api.writes)
    cluster.restart()
    await cluster.settle()
    assert cluster.api.written()[before:] == []


async def test_each_happening_is_told_once(cluster: Cluster) -> None:
    await cluster.settle()
    cluster.end_kaniko()
    await cluster.settle()
    cluster.restart()
    await cluster.settle()
    assert cluster.events.count("Accepted") == 1
    assert cluster.events.count("Succeeded") == 1


async def test_conflict_is_answered_by_a_fresh_look(cluster: Cluster) -> None:
    """The spec changes in the moment before the first status is written: the pod builds the new one."""

    def race(write: Write) -> None:
        cluster.api.before_write = lambda _: None
        cluster.apply(buildArgs={"NEW": "yes"})

    cluster.api.before_write = race
    await cluster.reconcile()
    assert len(cluster.pods) == 1
    arguments = cluster.pod["spec"]["containers"][0]["args"]
    assert "--build-arg=NEW=yes" in arguments
    assert cluster.status["observedGeneration"] == 2


async def test_after_a_restore_of_etcd_the_api_servers_word_counts(cluster: Cluster) -> None:
    await cluster.settle()
    restore = cluster.api.snapshot()
    cluster.start_kaniko()
    await cluster.settle()
    for _ in range(5):  # the known version is far ahead of the restored one
        cluster.apply(timeout="2h")
        await cluster.settle()
    restore()
    cluster.apply(target="release")
    cluster.end_kaniko(1)
    cluster.store.put_pod({**cluster.pod, "metadata": {**cluster.pod["metadata"], "resourceVersion": "9999"}})
    await cluster.reconcile()
    assert cluster.store.relapsed.is_set()
    generation = cluster.api.get(meta.BUILD_PLURAL, "shop", "web")["metadata"]["generation"]
    assert cluster.status["observedGeneration"] == generation


async def test_stale_cache_never_overwrites_a_newer_status(cluster: Cluster) -> None:
    await cluster.settle()
    stale = cluster.api.get(meta.BUILD_PLURAL, "shop", "web")
    cluster.end_kaniko()
    await cluster.settle()
    ended = cluster.status
    cluster.restart()
    cluster.store = type(cluster.store)()
    cluster.store.put(meta.BUILD_KIND, stale)
    await cluster.reconcile()
    assert cluster.status == ended
    assert len(cluster.pods) == 1


async def test_resource_deleted_in_between_leaves_nothing_behind(cluster: Cluster) -> None:
    cluster.api.drop(meta.BUILD_PLURAL, "shop", "web")
    assert await cluster.reconcile() is None
    assert cluster.pods == []
    assert cluster.store.get(WEB) is None
    assert cluster.revisions.forgotten == [("shop", "web")], "no git server is asked for it any more"


async def test_resource_being_deleted_is_left_alone(cluster: Cluster) -> None:
    body = cluster.api.get(meta.BUILD_PLURAL, "shop", "web")
    body["metadata"]["deletionTimestamp"] = "2026-11-24T12:00:00Z"
    cluster.api.put(meta.BUILD_PLURAL, body)
    cluster.watch()
    await cluster.reconcile()
    assert cluster.api.writes == []


async def test_unknown_key_is_no_work(cluster: Cluster) -> None:
    cluster.store = type(cluster.store)()
    assert await cluster.reconcile() is None
    assert cluster.api.requests == []


async def test_pod_made_by_a_former_operator_is_adopted(cluster: Cluster) -> None:
    """The former one was killed after the pod was created, and the new one's watch has not seen it yet."""
    await cluster.settle()
    made = cluster.pod["metadata"]["uid"]
    cluster.store = type(cluster.store)()
    cluster.store.put(meta.BUILD_KIND, cluster.api.get(meta.BUILD_PLURAL, "shop", "web"))
    await cluster.reconcile()
    assert cluster.pod["metadata"]["uid"] == made


@pytest.mark.parametrize("pods", [1, 2])
async def test_beside_a_foreign_pod_of_the_name_the_build_gets_a_pod_of_another_name(
    pods: int, cluster: Cluster
) -> None:
    """A pod of another resource by that name lived for as long as its build did, and this one waited for it."""
    squatted: list[str] = []

    def squat(write: Write) -> None:
        if write.verb == "POST" and write.plural == "pods" and len(squatted) < pods:
            squatted.append(write.name)
            cluster.api.put("pods", {"metadata": {"name": write.name, "namespace": "shop"}, "spec": {}})

    cluster.api.before_write = squat
    await cluster.reconcile()
    named = cluster.status["run"]["builds"][0]["podName"]
    assert named not in squatted
    assert cluster.api.get("pods", "shop", named)["metadata"]["ownerReferences"][0]["name"] == "web"
    assert len(cluster.pods) == pods + 1
    assert "DELETE" not in {write.verb for write in cluster.api.writes}
    assert "NameCollision" in cluster.events


async def test_full_quota_is_waited_for(cluster: Cluster) -> None:
    cluster.api.refuse = lambda verb, plural, name: (
        (403, "pods is forbidden: exceeded quota: small") if (verb, plural) == ("POST", "pods") else None
    )
    again = await cluster.reconcile()
    assert cluster.ready == ("Unknown", "QuotaExceeded")
    assert again is not None
    assert again > 0
    cluster.api.refuse = lambda verb, plural, name: None
    await cluster.settle()
    assert len(cluster.pods) == 1
    assert cluster.status["run"]["number"] == 1


async def test_pod_that_the_namespace_never_takes_ends_the_run(cluster: Cluster) -> None:
    message = 'violates PodSecurity "restricted:latest"'
    cluster.api.refuse = lambda verb, plural, name: (403, message) if (verb, plural) == ("POST", "pods") else None
    await cluster.settle()
    assert cluster.ready == ("False", "PodRefused")
    assert message in str(cluster.status["conditions"])


async def test_pod_that_the_namespace_takes_later_is_built_by_itself(cluster: Cluster) -> None:
    refusal = (403, "maximum memory usage per Container is 100Mi, but limit is 500Mi")
    cluster.api.refuse = lambda verb, plural, name: refusal if (verb, plural) == ("POST", "pods") else None
    await cluster.settle()
    assert cluster.status["run"]["number"] == 1
    for _ in range(3):
        cluster.now += timedelta(minutes=10)
        await cluster.settle()
        assert (cluster.status["run"]["number"], cluster.ready) == (1, ("False", "PodRefused"))
    cluster.api.refuse = lambda verb, plural, name: None
    cluster.now += timedelta(minutes=10)
    await cluster.settle()
    assert (cluster.status["run"]["number"], cluster.status["run"]["trigger"]) == (2, "RetryAfterChange")
    assert len(cluster.pods) == 1


REFUSED = "error pushing image: failed to push: PUT https://contoso.azurecr.io/v2/: UNAUTHORIZED: a login is required\n"


@pytest.mark.parametrize(
    ("log", "changes", "run"),
    [
        (REFUSED, {"annotations": {"touched": "now"}}, 1),
        (REFUSED, {"data": "cmlnaHQ="}, 2),
        ("error building image: waiting for process to exit: exit status 1\n", {"data": "cmlnaHQ="}, 1),
    ],
    ids=["only touched", "corrected", "not to blame"],
)
async def test_a_changed_secret_starts_a_failed_run_anew_where_it_may_help(
    log: str, changes: Any, run: int, cluster: Cluster
) -> None:
    await cluster.settle()
    cluster.api.logs[cluster.pod["metadata"]["name"]] = log
    cluster.end_kaniko(1, "")
    await cluster.settle()
    assert cluster.ready[0] == "False"
    assert "hunter22" not in str(cluster.status)
    secret = cluster.api.get("secrets", "shop", "acr-push")
    secret["metadata"]["annotations"] = changes.get("annotations", {})
    secret["data"]["password"] = changes.get("data", secret["data"]["password"])
    cluster.api.put("secrets", secret)
    cluster.now += timedelta(minutes=5)
    await cluster.settle()
    assert cluster.status["run"]["number"] == run


async def test_a_corrected_secret_is_seen_soon_after_the_failure_and_later_less_often(cluster: Cluster) -> None:
    await cluster.settle()
    cluster.api.logs[cluster.pod["metadata"]["name"]] = REFUSED
    cluster.end_kaniko(1, "")
    await cluster.settle()
    assert cluster.ready == ("False", "PushUnauthorized")
    waits = []
    for pause in (timedelta(0), timedelta(minutes=10), timedelta(days=2)):
        cluster.now += pause
        waits.append(round(await cluster.reconcile() or 0))
    assert waits == [10, 60, 900]


@pytest.mark.parametrize(("plural", "name"), [(meta.CONNECTOR_PLURAL, "acr"), ("secrets", "acr-push")])
async def test_run_waits_for_what_is_missing_and_goes_on_by_itself(plural: str, name: str, cluster: Cluster) -> None:
    body = cluster.api.get(plural, "shop", name)
    cluster.api.drop(plural, "shop", name)
    again = await cluster.reconcile()
    assert cluster.ready[0] == "Unknown"
    assert cluster.pods == []
    assert again is not None
    cluster.api.put(plural, body)
    await cluster.settle()
    assert len(cluster.pods) == 1
    assert cluster.status["run"]["number"] == 1


@pytest.mark.parametrize("reference", ["_", "$", "account.", ".", "..", "a/b", "../secrets", "UPPER CASE", "a" * 253])
async def test_reference_that_names_no_connector_is_said_in_the_status(reference: str, cluster: Cluster) -> None:
    """An empty name or dots would make the request one for another path."""
    cluster.apply(connectorRef=reference)
    await cluster.settle()
    assert cluster.ready[1] in ("SpecInvalid", "ConnectorMissing")
    assert cluster.pods == []


async def test_forged_digest_is_no_success(cluster: Cluster) -> None:
    cluster.registry = FakeReader(digest=None)
    await cluster.settle()
    cluster.end_kaniko()
    await cluster.settle()
    assert cluster.ready[0] == "Unknown"
    cluster.now += timedelta(seconds=late_seconds(cluster.settings.first_backoff_seconds))
    await cluster.settle()
    assert cluster.ready[0] == "False"
    assert "digest" not in cluster.status


async def test_failed_build_tells_its_log_without_secrets(cluster: Cluster) -> None:
    await cluster.settle()
    name = cluster.pod["metadata"]["name"]
    cluster.api.logs[name] = "pushing with hunter22-secret\nerror building image: COPY failed: no such file\n"
    cluster.end_kaniko(1, "")
    await cluster.settle()
    assert cluster.ready[0] == "False"
    shown = str(cluster.api.objects[meta.BUILD_PLURAL, "shop", "web"]) + str(cluster.api.all("events"))
    assert "COPY failed" in shown
    assert "hunter22" not in shown


async def test_no_answer_changes_nothing_and_rises_to_the_queue(cluster: Cluster) -> None:
    cluster.api.refuse = lambda verb, plural, name: (503, "etcdserver: request timed out")
    with pytest.raises(UnavailableError):
        await cluster.reconcile()
    cluster.api.refuse = lambda verb, plural, name: None
    await cluster.settle()
    assert len(cluster.pods) == 1


async def live_through(cluster: Cluster) -> None:
    """A whole life: accepted, running, pushed, changed, and pushed again."""
    await cluster.settle()
    if not observe_pod(cluster.pods[0]).ended:
        cluster.start_kaniko()
        await cluster.settle()
        cluster.end_kaniko()
    await cluster.settle()


async def count_writes() -> int:
    """How many writes an undisturbed life takes."""
    cluster = Cluster()
    await live_through(cluster)
    return len(cluster.api.writes)


@pytest.mark.parametrize("lost", [False, True], ids=["before-the-write", "after-the-write"])
async def test_operator_killed_at_any_write_loses_no_run_and_makes_no_second_pod(lost: bool) -> None:
    total = await count_writes()
    assert 3 < total < MAX_WRITES
    for fatal in range(total):
        cluster, number = Cluster(), count()

        def crash(write: Write, fatal: int = fatal, number: Any = number) -> None:
            if next(number) == fatal:
                raise CrashError(f"killed at write {fatal}: {write}")

        setattr(cluster.api, "after_write" if lost else "before_write", crash)
        with pytest.raises(CrashError):
            await live_through(cluster)
        cluster.restart()
        await live_through(cluster)
        posts = [write.name for write in cluster.api.writes if (write.verb, write.plural) == ("POST", "pods")]
        assert len(posts) == len(cluster.pods) == 1, f"killed at write {fatal}"
        assert cluster.status["run"]["number"] == 1
        assert cluster.ready == ("True", "Succeeded"), f"killed at write {fatal}"


@pytest.mark.parametrize(("minutes", "told_again"), [(1, True), (11, False)])
async def test_an_end_that_was_written_but_not_told_is_told_by_the_next_operator(
    minutes: int, told_again: bool
) -> None:
    cluster = Cluster()
    await cluster.settle()
    cluster.end_kaniko()
    cluster.watch()

    def crash(write: Write) -> None:
        if write.plural == "events":
            raise CrashError

    cluster.api.before_write = crash
    with pytest.raises(CrashError):
        await cluster.reconcile()
    assert cluster.ready == ("True", "Succeeded")
    assert cluster.events == ["Accepted"]
    cluster.api.before_write = lambda write: None
    cluster.now += timedelta(minutes=minutes)
    cluster.restart()
    await cluster.settle()
    assert cluster.events == ["Accepted", "Succeeded"][: 1 + told_again]


async def test_an_end_is_told_once(cluster: Cluster) -> None:
    reconciler = cluster.make_reconciler()
    for _ in range(3):
        cluster.watch()
        await reconciler.reconcile(WEB)
    cluster.end_kaniko()
    for _ in range(5):
        cluster.watch()
        await reconciler.reconcile(WEB)
    assert [str(write).split("/")[0] for write in cluster.api.writes].count("POST events") == 2


async def test_answer_lost_at_any_write_loses_no_run_and_makes_no_second_pod() -> None:
    """The write was carried out but its answer never came: the queue repeats the whole pass."""
    total = await count_writes()
    for fatal in range(total):
        cluster, number, lost = Cluster(), count(), list[str]()

        def lose(write: Write, fatal: int = fatal, number: Any = number, lost: list[str] = lost) -> None:
            if next(number) == fatal:
                lost.append(write.plural)
                raise TimeoutError

        cluster.api.after_write = lose
        raised = False
        try:
            await live_through(cluster)
        except UnavailableError:
            raised = True
        assert raised is (lost != ["events"]), "an Event holds nothing up"
        await live_through(cluster)  # with the same caches
        assert len(cluster.pods) == 1, f"lost at write {fatal}"
        assert cluster.ready == ("True", "Succeeded"), f"lost at write {fatal}"


async def test_connector_says_whether_it_can_log_in(cluster: Cluster) -> None:
    def ready() -> tuple[str, str]:
        status = cluster.api.get(meta.CONNECTOR_PLURAL, "shop", "acr")["status"]
        condition = next(item for item in status["conditions"] if item["type"] == "Ready")
        return condition["status"], condition["reason"]

    assert await cluster.reconcile(CONNECTOR)
    assert ready() == ("True", "CredentialsFound")
    writes = len(cluster.api.writes)
    await cluster.reconcile(CONNECTOR)
    assert len(cluster.api.writes) == writes
    cluster.api.drop("secrets", "shop", "acr-push")
    again = await cluster.reconcile(CONNECTOR)
    assert ready() == ("False", "SecretMissing")
    assert again is not None


async def test_connector_that_changed_meanwhile_is_left_to_its_own_event(cluster: Cluster) -> None:
    def race(write: Write) -> None:
        cluster.api.before_write = lambda _: None
        body = cluster.api.get(meta.CONNECTOR_PLURAL, "shop", "acr")
        body["spec"]["registries"] = ["other.azurecr.io"]
        cluster.api.put(meta.CONNECTOR_PLURAL, body)

    cluster.api.before_write = race
    await cluster.reconcile(CONNECTOR)
    assert "status" not in cluster.api.get(meta.CONNECTOR_PLURAL, "shop", "acr")
    cluster.watch()
    await cluster.reconcile(CONNECTOR)
    assert "other.azurecr.io" in str(cluster.api.get(meta.CONNECTOR_PLURAL, "shop", "acr")["status"])


def connector_of(uid: str, version: int) -> dict[str, Any]:
    """A connector of that name, as somebody made it anew."""
    metadata = {"namespace": "shop", "name": "acr", "uid": uid, "resourceVersion": str(version), "generation": 1}
    return {"metadata": metadata, "spec": {"registryCredentials": {"secretRef": {"name": "acr-push"}}}}


async def test_connector_that_is_gone_or_another_by_now_is_forgotten(cluster: Cluster) -> None:
    reconciler = cluster.make_reconciler()
    await reconciler.reconcile(CONNECTOR)
    first = cluster.api.get(meta.CONNECTOR_PLURAL, "shop", "acr")["metadata"]["uid"]
    await reconciler.reconcile(CONNECTOR)
    assert cluster.azure.forgotten == []
    again = connector_of("another", 999)
    cluster.store.put(meta.CONNECTOR_KIND, again)
    cluster.api.put(meta.CONNECTOR_PLURAL, again)
    await reconciler.reconcile(CONNECTOR)
    assert cluster.azure.forgotten == cluster.links.forgotten == [first]
    cluster.store.drop(meta.CONNECTOR_KIND, again)
    await reconciler.reconcile(CONNECTOR)
    assert "another" in cluster.azure.forgotten


async def test_connector_that_came_and_went_between_two_passes_is_forgotten_too(cluster: Cluster) -> None:
    """A build reads its connector itself, so it may have logged in before the connector's own pass."""
    reconciler = cluster.make_reconciler()
    first = cluster.api.get(meta.CONNECTOR_PLURAL, "shop", "acr")["metadata"]["uid"]
    for uid, version in (("second", 997), ("third", 998)):
        cluster.store.drop(meta.CONNECTOR_KIND, connector_of(uid, version))  # its end is all that was told
    cluster.store.put(meta.CONNECTOR_KIND, connector_of("fourth", 999))
    cluster.api.put(meta.CONNECTOR_PLURAL, connector_of("fourth", 999))
    await reconciler.reconcile(CONNECTOR)
    assert set(cluster.azure.forgotten) == {first, "second", "third"}


async def test_connector_that_is_gone_is_forgotten_again_once_no_build_is_about_to_log_in(cluster: Cluster) -> None:
    """A pass that was under way may have put into memory what was forgotten a moment before."""
    reconciler = cluster.make_reconciler()
    body = cluster.api.get(meta.CONNECTOR_PLURAL, "shop", "acr")
    uid = body["metadata"]["uid"]
    cluster.store.drop(meta.CONNECTOR_KIND, body)
    assert await reconciler.reconcile(CONNECTOR) == LINGER.total_seconds()
    assert cluster.azure.forgotten == [uid]
    cluster.now += LINGER
    assert await reconciler.reconcile(CONNECTOR) is None
    assert cluster.azure.forgotten == [uid, uid]
    assert await reconciler.reconcile(CONNECTOR) is None
    assert cluster.azure.forgotten == [uid, uid], "nothing is left of it"


async def test_connector_that_is_known_again_is_not_forgotten(cluster: Cluster) -> None:
    reconciler = cluster.make_reconciler()
    body = cluster.api.get(meta.CONNECTOR_PLURAL, "shop", "acr")
    cluster.store.drop(meta.CONNECTOR_KIND, body)
    cluster.store.put(meta.CONNECTOR_KIND, body)
    await reconciler.reconcile(CONNECTOR)
    assert cluster.azure.forgotten == []


async def test_a_pod_that_was_just_made_is_looked_at_a_moment_later(cluster: Cluster) -> None:
    """It says nothing yet. A decision about it would cost a fifth of the time of a build, and write nothing."""
    assert await cluster.reconcile() == SETTLES.total_seconds()
    assert cluster.pod
