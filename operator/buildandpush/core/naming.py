"""Names and labels of the objects that the operator makes: deterministic, so a repeated action finds its work."""

import hashlib
import re
from collections.abc import Iterable

from buildandpush.api import meta


def build_pod_name(name: str, uid: str, *, run: int, build: int, attempt: int, taken: str = "") -> str:
    """`<name[:32]>-<10 of sha256(uid)>-r<run>-b<build>-a<attempt>`: the name of the pod of one attempt.

    The uid's part keeps apart the pods of resources whose names begin alike, and those of a resource that was deleted
    and made again. `taken` is a name that this function gave and that another owner's pod has: the next name differs
    from it, and is the same each time for the same taken name.
    """
    part = _short_hash(f"{uid} {taken}" if taken else uid, 10)
    ending = f"-{part}-r{run}-b{build}-a{attempt}"
    stem = re.sub(r"[^a-z0-9-]", "-", name)[: min(32, meta.MAX_NAME - len(ending))].strip("-") or "build"
    return f"{stem}{ending}"


def former_pod_name(pod_name: str, attempt: int) -> str | None:
    """The name of the pod before the given one, by the number at its end; None for the first attempt.

    For a status that does not name the former pod, since an earlier release wrote it.
    """
    return re.sub(r"-a\d+$", f"-a{attempt - 1}", pod_name) if attempt > 1 else None


def read_back_pod_name(pod_name: str, *, taken: str = "") -> str:
    """`<pod name>-check`: the name of the pod that reads back what this build pod pushed.

    A long name loses its beginning, since its end tells the attempts apart. `taken` is a name that this function gave
    and that another owner's pod has.
    """
    ending = f"-check-{_short_hash(taken, 6)}" if taken else "-check"
    return f"{pod_name[-(meta.MAX_NAME - len(ending)) :].lstrip('-')}{ending}"


def run_label(uid: str, *, run: int, build: int, spec_hash: str) -> str:
    """`<uid>/<run>@<spec>`: the label of an image that says which run made it, and of which spec. Builds after a run's
    first add their number to the run's.

    The spec is in it since a status that was restored gives numbers of runs out again.
    """
    number = f"{run}-{build}" if build else f"{run}"
    return f"{uid}/{number}@{spec_hash.rpartition(':')[2][:12]}"


def names_run(found: str | None, label: str) -> bool:
    """Whether the label that an image has is that of a run. Earlier releases left out the spec."""
    return found in (label, label.partition("@")[0])


def build_pod_labels(
    name: str, *, run: int, build: int, attempt: int, spec_hash: str, component: str = meta.COMPONENT_BUILD
) -> dict[str, str]:
    """Labels of a pod of ours. The resource's name fits, because the CRD limits it to 63 characters."""
    return {
        "app.kubernetes.io/name": "buildandpush",
        "app.kubernetes.io/instance": name,
        meta.LABEL_COMPONENT: component,
        meta.LABEL_MANAGED_BY: meta.COMPONENT,
        meta.LABEL_NAME: name,
        meta.LABEL_RUN: str(run),
        meta.LABEL_BUILD: str(build),
        meta.LABEL_ATTEMPT: str(attempt),
        meta.LABEL_SPEC_HASH: spec_hash_label(spec_hash),
    }


def spec_hash_label(spec_hash: str) -> str:
    """A spec hash in the form a label can hold: without the colon, cut to 40 digits."""
    version, _, digits = spec_hash.partition(":")
    return f"{version}-{digits[:40]}"


def login_secret_name(connector_uids: Iterable[str], hosts: Iterable[str], repositories: Iterable[str] = ()) -> str:
    """Name of the login Secret of one set of connectors, hosts and, for a login with limited scope, repositories."""
    parts = [*sorted(connector_uids), *sorted(hosts), *sorted(repositories)]
    return f"buildandpush-login-{_short_hash(' '.join(parts), 12)}"


GIT_TOKEN_KEY = "git-token"  # noqa: S105 - a key
"""Key of a login Secret with the token for Azure Repos."""
STORAGE_TOKEN_KEY = "storage-token"  # noqa: S105 - a key
"""Key of a login Secret with the token for Azure Storage."""


def ca_file(host: str) -> str:
    """Key and file of the certificates for one host."""
    return f"ca-{host.replace(':', '_')}.crt"


def event_name(resource_name: str, *parts: str) -> str:
    """Name of an Event. A repeated announcement has the same name, so it becomes one Event."""
    return f"{resource_name}.{_short_hash('/'.join(parts), 16)}"


def connector_name(reference: str) -> str:
    """The connector that a `connectorRef` names. A pipeline's identifier loses its scope and becomes a DNS name.

    `account.My_ACR` and `org.My_ACR` mean `my-acr`: prefix dropped, lower case, `_` and `$` become `-`.
    """
    for scope in ("account.", "org."):
        reference = reference.removeprefix(scope)
    return re.sub(r"[_$]", "-", reference.lower()).strip("-")


def _short_hash(text: str, length: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:length]
