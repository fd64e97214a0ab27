"""Actions may be repeated, and what the API server refuses becomes a word a decision can use."""

from collections.abc import Callable
from typing import Any

import pytest

from buildandpush.api import meta
from buildandpush.api.reasons import Reason
from buildandpush.clients.errors import UnavailableError
from buildandpush.core.build.world import CancelPod, CreatePod, DeletePod, PodAction, Refusal
from buildandpush.core.facts import Waiting
from buildandpush.handlers.actions import perform
from buildandpush.handlers.informers.store import Store
from tests.unit.core.factories import OWNER
from tests.unit.handlers.fake_api import FakeAnswer, FakeApi

QUOTA = 'pods "p1" is forbidden: exceeded quota: small, requested: memory=500Mi, used: memory=1Gi, limited: memory=1Gi'
UNCOUNTED = 'pods "p1" is forbidden: status unknown for quota: small, resources: limits.memory'
LIMIT_RANGE = 'pods "p1" is forbidden: maximum memory usage per Container is 1Gi, but limit is 2Gi'
SECURITY = 'pods "p1" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true'
GOING = 'pods "p1" is forbidden: unable to create new content in namespace shop because it is being terminated'


def pod(*, owner: str = OWNER.uid, spec_hash: str = "v1-a", node: str = "") -> dict[str, Any]:
    """A pod's manifest."""
    return {
        "metadata": {
            "name": "p1",
            "namespace": "shop",
            "labels": {meta.LABEL_SPEC_HASH: spec_hash},
            "ownerReferences": [{"kind": meta.BUILD_KIND, "name": "web", "uid": owner, "controller": True}],
        },
        "spec": {"activeDeadlineSeconds": 3600, **({"nodeName": node} if node else {})},
    }


CREATE = CreatePod("p1", pod())


class Acting:
    """Performs actions with one API server and store."""

    def __init__(self) -> None:
        self.api, self.store = FakeApi(), Store()

    async def __call__(self, action: PodAction) -> Refusal | Waiting | None:
        return await perform(self.api.connect(), self.store, OWNER, action)


@pytest.fixture
def act() -> Acting:
    return Acting()


async def test_created_pod_is_known_before_the_watch_tells_of_it(act: Acting) -> None:
    assert await act(CREATE) is None
    assert set(act.store.pods_of(OWNER.namespace, OWNER.uid)) == {"p1"}
    assert len(act.api.all("pods")) == 1


async def test_pod_that_was_created_before_is_adopted(act: Acting) -> None:
    await act(CREATE)
    act.store = Store()
    assert await act(CREATE) is None
    assert set(act.store.pods_of(OWNER.namespace, OWNER.uid)) == {"p1"}
    assert len(act.api.all("pods")) == 1


def in_user_namespace(name: str = "p1") -> CreatePod:
    made = pod()
    return CreatePod(
        name,
        {**made, "metadata": {**made["metadata"], "name": name}, "spec": {**made["spec"], "hostUsers": False}},
    )


async def test_a_pod_is_not_made_where_its_user_namespace_would_be_left_out(act: Acting) -> None:
    """As Kubernetes before 1.33 does by default: kaniko's root would be root on the node."""
    act.api.maps_users = False
    refusal = await act(in_user_namespace())
    assert refusal is not None
    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.drops_user_namespace) == (Reason.POD_REFUSED, True)
    assert act.api.all("pods") == []
    assert await act(CREATE) is None


async def test_where_user_namespaces_are_kept_the_api_server_is_asked_once(act: Acting) -> None:
    assert await act(in_user_namespace("p1")) is None
    assert await act(in_user_namespace("p2")) is None
    assert len(act.api.all("pods")) == 2
    assert len(act.api.requests) == 3


async def test_a_refusal_of_the_question_is_told_as_that_of_the_pod(act: Acting) -> None:
    act.api.refuse = lambda verb, plural, name: (403, QUOTA) if verb == "POST" else None
    refusal = await act(in_user_namespace())
    assert refusal is not None
    assert refusal.reason == Reason.QUOTA_EXCEEDED


@pytest.mark.parametrize("answer", [(429, "too many requests"), (503, "etcdserver: leader changed")])
async def test_no_pod_is_made_before_the_question_is_answered(answer: tuple[int, str], act: Acting) -> None:
    """Else a server that is busy for a moment would have the pod made without its user namespace."""
    act.api.maps_users = False
    answers = iter([answer])
    act.api.refuse = lambda verb, plural, name: next(answers, None)
    with pytest.raises(UnavailableError):
        await act(in_user_namespace())
    assert act.api.all("pods") == []


async def test_a_pod_that_lost_its_user_namespace_where_no_question_is_taken_is_removed(act: Acting) -> None:
    act.api.maps_users = False
    answers = iter([(400, 'admission webhook "old.example" does not support dry run')])
    act.api.refuse = lambda verb, plural, name: next(answers, None)
    refusal = await act(in_user_namespace())
    assert isinstance(refusal, Refusal)
    assert refusal.drops_user_namespace
    assert act.api.all("pods") == []


async def test_a_pod_is_removed_that_one_of_several_api_servers_made_without_its_user_namespace(act: Acting) -> None:
    """While a control plane is upgraded, an older server may answer after a newer one."""
    assert await act(in_user_namespace("p1")) is None
    act.api.maps_users = False
    refusal = await act(in_user_namespace("p2"))
    assert isinstance(refusal, Refusal)
    assert refusal.drops_user_namespace
    assert [made["metadata"]["name"] for made in act.api.all("pods")] == ["p1"]
    assert not act.store.maps_users


def _with_metadata(**changed: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda made: {**made, "metadata": {**made["metadata"], **changed}}


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (
            _with_metadata(labels={meta.LABEL_SPEC_HASH: "v1-a", meta.LABEL_MANAGED_BY: "kyverno"}),
            "label app.kubernetes.io/managed-by",
        ),
        (_with_metadata(labels={meta.LABEL_MANAGED_BY: meta.COMPONENT}), "label buildandpush.dev/spec-hash"),
        (_with_metadata(ownerReferences=[]), "ownerReferences"),
    ],
)
async def test_a_pod_by_which_a_policy_takes_what_it_is_found_by_is_removed_and_told(
    policy: Callable[[dict[str, Any]], dict[str, Any]], words: str, act: Acting
) -> None:
    """No watch would tell of it, and its end would be waited for in vain."""
    made = pod()
    made["metadata"]["labels"][meta.LABEL_MANAGED_BY] = meta.COMPONENT
    act.api.change_pod = policy
    refusal = await act(CreatePod("p1", made))
    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.final) == (Reason.POD_REFUSED, True)
    assert words in refusal.message
    assert act.api.all("pods") == []
    assert act.store.pods_of(OWNER.namespace, OWNER.uid) == {}


async def test_what_a_policy_adds_to_a_pods_labels_does_no_harm(act: Acting) -> None:
    act.api.change_pod = _with_metadata(labels={**pod()["metadata"]["labels"], "team": "shop"})
    assert await act(CREATE) is None


async def test_foreign_pod_of_the_name_is_left_alone(act: Acting) -> None:
    theirs = act.api.put("pods", pod(owner="somebody"))
    refusal = await act(CREATE)
    assert refusal is not None
    assert (refusal.reason, refusal.final, refusal.is_taken) == (Reason.NAME_COLLISION, False, True)
    assert "p1" in refusal.message
    assert act.api.get("pods", "shop", "p1") == theirs
    assert act.api.writes == []


async def test_our_own_pod_of_another_spec_gives_way(act: Acting) -> None:
    act.api.put("pods", pod(spec_hash="v1-b"))
    refusal = await act(CREATE)
    assert refusal is not None
    assert (refusal.final, refusal.is_taken) == (False, False)
    assert act.api.written() == ["DELETE pods/p1"]
    assert await act(CREATE) is None


@pytest.mark.parametrize(
    ("status", "message", "reason", "final"),
    [
        (403, QUOTA, Reason.QUOTA_EXCEEDED, False),
        (403, UNCOUNTED, Reason.QUOTA_EXCEEDED, False),
        (403, LIMIT_RANGE, Reason.POD_REFUSED, True),
        (403, SECURITY, Reason.POD_REFUSED, True),
        (403, GOING, Reason.POD_REFUSED, False),
        (422, "spec.containers[0].image: Required value", Reason.POD_REFUSED, True),
        (400, "admission webhook denied the request", Reason.POD_REFUSED, True),
    ],
)
async def test_refused_pod_is_told_with_the_servers_words(
    status: int, message: str, reason: Reason, final: bool, act: Acting
) -> None:
    act.api.refuse = lambda verb, plural, name: (status, message)
    refusal = await act(CREATE)
    assert refusal == Refusal(reason, message, final)


@pytest.mark.parametrize("status", [400, 403, 413, 422])
@pytest.mark.parametrize("page", [b"<html>RBAC: access denied</html>", b'{"message": "blocked"}', b""])
async def test_a_page_that_is_none_of_the_api_servers_ends_no_run(
    status: int, page: bytes, act: Acting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mesh's or a proxy's, which may let the next request through."""
    monkeypatch.setattr(act.api, "_answer", lambda *_: FakeAnswer(status, page))
    refusal = await act(CREATE)
    assert refusal is not None
    assert (refusal.reason, refusal.final) == (Reason.API_REFUSED, False)
    assert refusal.message.startswith(f"{status}, though not in the API server's words")


async def test_a_quota_that_many_pods_are_counted_on_at_once_says_nothing_of_this_one(act: Acting) -> None:
    busy = (
        'Operation cannot be fulfilled on resourcequotas "q": the object has been modified; please apply your changes'
    )
    act.api.refuse = lambda verb, plural, name: (409, busy) if verb == "POST" else None
    with pytest.raises(UnavailableError):
        await act(CREATE)


async def test_a_pod_that_a_webhook_denies_as_not_found_is_waited_for(act: Acting) -> None:
    """A webhook chooses the code of its denial. Without a word for it the next round creates the pod at once."""
    act.api.refuse = lambda verb, plural, name: (404, "denied: cost centre not found")
    assert await act(CREATE) == Refusal(Reason.POD_REFUSED, "denied: cost centre not found", final=False)


DENIED = 'admission webhook "gate.example.com" denied the request: come back when the gate is open'


@pytest.mark.parametrize(
    ("status", "final"), [(401, False), (404, False), (409, False), (429, False), (400, True), (403, True), (422, True)]
)
async def test_a_webhooks_denial_is_told_whatever_code_it_chooses(status: int, final: bool, act: Acting) -> None:
    act.api.refuse = lambda verb, plural, name: (status, DENIED) if verb == "POST" else None
    assert await act(CREATE) == Refusal(Reason.POD_REFUSED, DENIED, final)


@pytest.mark.parametrize("action", [CancelPod("p1", "u"), DeletePod("p1", "u")])
@pytest.mark.parametrize("status", [401, 404, 409, 429])
async def test_a_webhooks_code_does_not_say_that_a_pod_is_gone(status: int, action: PodAction, act: Acting) -> None:
    act.api.refuse = lambda verb, plural, name: (status, DENIED)
    assert await act(action) == Waiting(Reason.API_REFUSED, f"pod p1 cannot be ended: {DENIED}")


async def test_login_of_the_operator_that_has_just_expired_fails_no_build(act: Acting) -> None:
    act.api.refuse = lambda verb, plural, name: (401, "Unauthorized")
    try:
        refusal = await act(CREATE)
    except Exception:
        return  # the queue comes again
    assert refusal is None or not refusal.final


@pytest.mark.parametrize("action", [CREATE, CancelPod("p1", "u"), DeletePod("p1", "u")])
@pytest.mark.parametrize("status", [429, 503])
async def test_no_answer_is_for_the_queue_to_repeat(status: int, action: PodAction, act: Acting) -> None:
    act.api.refuse = lambda verb, plural, name: (status, "come again")
    with pytest.raises(UnavailableError):
        await act(action)


WEBHOOK = 'Internal error occurred: failed calling webhook "pods.example.com": no endpoints available'


async def test_a_pod_is_waited_for_where_a_webhook_cannot_be_reached(act: Acting) -> None:
    act.api.refuse = lambda verb, plural, name: (500, WEBHOOK)
    assert await act(CREATE) == Refusal(Reason.API_REFUSED, WEBHOOK, final=False)


@pytest.mark.parametrize("action", [CancelPod("p1", "u"), DeletePod("p1", "u")])
@pytest.mark.parametrize(("status", "message"), [(500, WEBHOOK), (403, "policy x denies it"), (400, "denied by x")])
async def test_a_pod_that_may_not_be_ended_is_told(status: int, message: str, action: PodAction, act: Acting) -> None:
    act.api.refuse = lambda verb, plural, name: (status, message)
    assert await act(action) == Waiting(Reason.API_REFUSED, f"pod p1 cannot be ended: {message}")


async def test_a_former_pod_that_may_not_be_removed_is_told_and_waited_for(act: Acting) -> None:
    act.api.put("pods", pod(spec_hash="v1-b"))
    act.api.refuse = lambda verb, plural, name: (403, "policy x denies it") if verb == "DELETE" else None
    assert await act(CREATE) == Refusal(Reason.API_REFUSED, "policy x denies it", final=False)


async def test_the_servers_words_are_bounded_and_without_logins(act: Acting) -> None:
    """A webhook may answer anything, such as the object that it was sent."""
    act.api.refuse = lambda verb, plural, name: (403, "see https://push:hunter22@example.com " + "x" * 100_000)
    refusal = await act(CREATE)
    assert refusal is not None
    assert "hunter22" not in refusal.message
    assert len(refusal.message) <= 512


@pytest.mark.parametrize("make", [CancelPod, DeletePod])
async def test_pod_that_is_gone_or_another_needs_no_ending(
    make: type[CancelPod] | type[DeletePod], act: Acting
) -> None:
    assert await act(make("p1", "u1")) is None
    other = act.api.put("pods", pod(node="node1"))
    assert await act(make("p1", "u1")) is None
    assert act.api.get("pods", "shop", "p1") == other


async def test_cancelling_leaves_the_pod_with_its_log(act: Acting) -> None:
    uid = act.api.put("pods", pod(node="node1"))["metadata"]["uid"]
    for _ in range(2):
        await act(CancelPod("p1", uid))
    assert act.api.get("pods", "shop", "p1")["spec"]["activeDeadlineSeconds"] == 1
    assert act.store.pods_of(OWNER.namespace, OWNER.uid)["p1"].active_deadline_seconds == 1


async def test_deleting_deletes(act: Acting) -> None:
    uid = act.api.put("pods", pod())["metadata"]["uid"]
    await act(DeletePod("p1", uid))
    assert act.api.all("pods") == []
