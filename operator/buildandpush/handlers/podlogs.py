"""Reads the logs of build pods. A build can print anything: this module bounds it, and the core admits it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from buildandpush.clients.errors import KubernetesError, NotFoundError, UnavailableError
from buildandpush.clients.kubernetes.client import KubernetesClient, PodLog
from buildandpush.core.pod.observation import PodObservation, observe_pod

TAIL_LINES: Final = 60
"""Lines that tell why a build failed."""
LINES: Final = (1000, TAIL_LINES, 16, 4, 2, 1)
"""Lines of a log that are read, and of one with longer lines. kaniko tells cache trouble at the end of a stage."""
LIMIT_BYTES: Final = 2**20
"""Bytes of a log that are read: more than 60 lines of the 16 KiB at which a runtime ends a line."""
_RECORD_BYTES: Final = 16 * 1024
PATIENCE: Final = timedelta(minutes=2)
"""How long a kubelet may take to give out the log of a pod that has ended. Then the run ends without it."""


@dataclass(frozen=True)
class LogEnd:
    """The raw end of a container's log. It may hold secrets."""

    text: str = ""
    cut_before: bool = False
    """The log may begin before the text does, even in the middle of a line."""
    cut_behind: bool = False
    """Its last line is too long to be read to its end."""


async def read_log_end(
    client: KubernetesClient,
    namespace: str,
    pod: str,
    container: str,
    now: datetime,
    *,
    most: int = LINES[0],
    node: str = "",
) -> LogEnd:
    """The end of a log of a pod on a node, at most so many lines.

    Empty if the kubelet has no log any more, or does not answer long after the pod's end.
    """
    try:
        for lines in (number for number in LINES if number <= most):
            log = await client.read_pod_log(namespace, pod, container, lines=lines, limit_bytes=LIMIT_BYTES, node=node)
            if not log.is_cut:
                break  # a cut log has the beginning of these lines, and the end is what counts
    except KubernetesError:
        return LogEnd()
    except UnavailableError:
        # The API server answers for the kubelet, too. A node that is gone must not keep the run from ending.
        found = await read_live_pod(client, namespace, pod)
        if found is not None and (found.finished_at or found.changed_at or now) > now - PATIENCE:
            raise
        return LogEnd()
    return LogEnd(log.text, cut_before=_may_begin_before(log, lines), cut_behind=log.is_cut)


def _may_begin_before(log: PodLog, lines: int) -> bool:
    """Whether so many lines may not be the whole log. A runtime writes a long line as several records, and the kubelet
    counts records."""
    return log.text.count("\n") + len(log.text) // _RECORD_BYTES + 1 >= lines


async def read_live_pod(client: KubernetesClient, namespace: str, name: str) -> PodObservation | None:
    """A pod, read from the API server; None if it does not exist."""
    try:
        return observe_pod(await client.read_pod(namespace, name))
    except NotFoundError:
        return None
