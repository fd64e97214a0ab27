"""Performs what a decision wants done to pods. Every action may be repeated: it then finds its own work done."""

from dataclasses import replace
from typing import Final

import structlog

from buildandpush.api import meta
from buildandpush.api.reasons import Reason
from buildandpush.clients.errors import ConflictError, KubernetesError, NotFoundError, TroubleError, UnavailableError
from buildandpush.clients.kubernetes.client import KubernetesClient
from buildandpush.core.build.world import CancelPod, CreatePod, DeletePod, PodAction, Refusal
from buildandpush.core.facts import Owner, Waiting
from buildandpush.core.pod.observation import observe_pod
from buildandpush.handlers.informers.store import Store
from buildandpush.handlers.objects import Object
from buildandpush.handlers.refusals import explain_refusal, is_quota, knows_no_dry_run, words_of

_log = structlog.get_logger(__name__)

_NO_USER_NAMESPACES: Final = (
    "it leaves out the pod's user namespace: Kubernetes before 1.33 does so unless its feature gate "
    "UserNamespacesSupport is on, and a policy may; switch it on, or set userNamespace: Never"
)
_LEFT_OUT: Final = Refusal(Reason.POD_REFUSED, _NO_USER_NAMESPACES, final=True, drops_user_namespace=True)
_OWN_MARKS: Final = (f"{meta.GROUP}/", meta.LABEL_MANAGED_BY, meta.LABEL_COMPONENT)
_EXEMPT: Final = "the operator finds its pods by it, so exempt pods with the label app.kubernetes.io/name: buildandpush"
_PASSING: Final = frozenset({401, 404, 409, 429})
"""Codes of a refusal that says nothing against the pod itself."""


async def perform(client: KubernetesClient, store: Store, owner: Owner, action: PodAction) -> Refusal | Waiting | None:
    """Perform one action on a pod. Returns the API server's refusal, if there is one: a Refusal for a pod that was not
    created, a Waiting for a pod that was not removed."""
    if isinstance(action, CreatePod):
        try:
            return await _ensure_pod(client, store, owner, action)
        except (KubernetesError, TroubleError) as error:  # of what else it takes: a former pod is in the way
            refused = explain_refusal(error)
            return Refusal(refused.reason, refused.message, final=False)
    return await _end_pod(client, store, owner, action)


async def _end_pod(
    client: KubernetesClient, store: Store, owner: Owner, action: CancelPod | DeletePod
) -> Waiting | None:
    try:
        if isinstance(action, CancelPod):
            store.put_pod(await client.patch_pod_deadline(owner.namespace, action.name, action.uid, 1))
        else:
            await client.delete_pod(owner.namespace, action.name, action.uid)
    except (NotFoundError, ConflictError):
        _log.info("pod.gone_already", namespace=owner.namespace, pod=action.name)
    except (KubernetesError, TroubleError) as error:
        refused = explain_refusal(error)
        return replace(refused, message=f"pod {action.name} cannot be ended: {refused.message}")
    return None


async def _ensure_pod(client: KubernetesClient, store: Store, owner: Owner, action: CreatePod) -> Refusal | None:
    try:
        if await _drops_user_namespace(client, store, action):
            return _LEFT_OUT
        pod = await client.create_pod(action.manifest)
    except ConflictError as error:
        if error.reason != "AlreadyExists":
            # For example a quota that counted many pods at once. Nothing is wrong with this pod.
            raise UnavailableError(f"pod {action.name}: {error}") from error
        return await _adopt_pod(client, store, owner, action)
    except NotFoundError as error:
        # The namespace is gone, and with it the resource.
        return Refusal(Reason.POD_REFUSED, words_of(error), final=False)
    except (KubernetesError, TroubleError) as error:
        return refusal_of(error)
    if _asks_user_namespace(action.manifest) and not _asks_user_namespace(pod):
        # Made by an older server of the same control plane, or by a policy of this namespace, or nobody could ask.
        store.maps_users = False
        await client.delete_pod(owner.namespace, action.name, pod["metadata"]["uid"])
        return _LEFT_OUT
    lost = _find_lost_mark(action.manifest, pod)
    if lost is not None:
        await client.delete_pod(owner.namespace, action.name, pod["metadata"]["uid"])
        return Refusal(Reason.POD_REFUSED, f"a policy or webhook changes its {lost}; {_EXEMPT}", final=True)
    store.put_pod(pod)
    _log.info("pod.created", namespace=owner.namespace, build=owner.name, pod=action.name)
    return None


async def _drops_user_namespace(client: KubernetesClient, store: Store, action: CreatePod) -> bool:
    """Whether the API server would leave out the pod's user namespace and say nothing. kaniko's root would be root on
    the node then. So it is asked before there is a pod, until it has once kept one.
    https://kubernetes.io/docs/concepts/workloads/pods/user-namespaces/"""
    if not _asks_user_namespace(action.manifest) or store.maps_users:
        return False
    try:
        pod = await client.try_pod(action.manifest)
    except KubernetesError as error:
        if not knows_no_dry_run(error):
            raise  # the pod itself would be refused alike
        return False
    store.maps_users = _asks_user_namespace(pod)
    return not store.maps_users


def _asks_user_namespace(pod: Object) -> bool:
    return (pod.get("spec") or {}).get("hostUsers") is False


def _find_lost_mark(manifest: Object, pod: Object) -> str | None:
    """What was changed of that by which the operator finds its pods, and no watch would tell of this one."""
    wanted, made = manifest["metadata"], pod["metadata"]
    labels = made.get("labels") or {}
    for name, value in wanted["labels"].items():
        if name.startswith(_OWN_MARKS) and labels.get(name) != value:
            return f"label {name}"
    return None if observe_pod(pod).owner_uid == observe_pod(manifest).owner_uid else "ownerReferences"


async def _adopt_pod(client: KubernetesClient, store: Store, owner: Owner, action: CreatePod) -> Refusal | None:
    """A pod of this name exists: ours, or another owner's."""
    try:
        found = await client.read_pod(owner.namespace, action.name)
    except NotFoundError:
        return Refusal(Reason.NAME_COLLISION, f"pod {action.name!r} is just going away", final=False)
    pod = observe_pod(found)
    wanted = action.manifest["metadata"]["labels"][meta.LABEL_SPEC_HASH]
    if pod.owner_uid != owner.uid:
        message = f"pod {action.name!r} was not made for this resource"
        return Refusal(Reason.NAME_COLLISION, message, final=False, is_taken=True)
    if pod.spec_hash_label != wanted:
        await client.delete_pod(owner.namespace, action.name, pod.uid)
        return Refusal(Reason.NAME_COLLISION, f"pod {action.name!r} builds another spec and is removed", final=False)
    store.put_pod(found)
    _log.info("pod.adopted", namespace=owner.namespace, build=owner.name, pod=action.name)
    return None


def refusal_of(error: KubernetesError | TroubleError) -> Refusal:
    """What the API server's refusal of a pod means for its run."""
    words = words_of(error)
    if isinstance(error, TroubleError):
        return Refusal(Reason.API_REFUSED, words, final=False)
    if not error.is_own:
        told = f"{error.status}, though not in the API server's words{f': {words}' if words else ''}"
        return Refusal(Reason.API_REFUSED, told, final=False)
    if is_quota(error):
        return Refusal(Reason.QUOTA_EXCEEDED, words, final=False)
    # A token that is just being renewed; or a webhook that denies the pod and asks with its code to come again.
    if error.status in _PASSING:
        return Refusal(Reason.POD_REFUSED, words, final=False)
    # A namespace that is new and has no service account yet, or that is being deleted.
    if error.status == 403 and (
        "being terminated" in error.message or "error looking up service account" in error.message
    ):
        return Refusal(Reason.POD_REFUSED, words, final=False)
    return Refusal(Reason.POD_REFUSED, words, final=True)
