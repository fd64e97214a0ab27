"""The operator's metrics: their names, their labels, and what they count. docs/metrics.md is made from this module.

A label never has a word of a user: no name, namespace, host or text. Each has few values, so the number of series has a
limit, whatever users and servers do. Times are in seconds, sizes in bytes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from http import HTTPStatus
from typing import Any, Final, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from buildandpush import __version__
from buildandpush.api.meta import Phase, Trigger
from buildandpush.api.reasons import Reason
from buildandpush.clients.errors import KubernetesError, UnavailableError
from buildandpush.core.azure.cloud import HostClass, classify_host

PREFIX: Final = "buildandpush_"
CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
"""Of `Metrics.render`; every Prometheus reads it."""

OTHER: Final = "Other"
"""A reason that is none of this version's."""
NO_ANSWER: Final = "none"
"""The code of a request that nobody answered."""
UNTOLD: Final = "untold"
"""The code of all requests to hosts that users name. Otherwise a user could explore the cluster's network with them."""

_BUILD_SECONDS: Final = (10, 30, 60, 120, 300, 600, 1200, 1800, 3600)
_PASS_SECONDS: Final = (0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60)
_LAG_SECONDS: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_KEPT: Final = 256
_REASONS: Final = frozenset(map(str, Reason))
_PHASES: Final = frozenset(map(str, Phase))
_TRIGGERS: Final = frozenset(map(str, Trigger))
_STATUSES: Final = frozenset(HTTPStatus)

# For each counter the library writes a second series, with the time of its making. Nobody here needs it.
disable_created_metrics()  # type: ignore[no-untyped-call]

M = TypeVar("M", bound=Counter | Gauge | Histogram)


@dataclass(frozen=True)
class Family:
    """What the documentation says of one metric."""

    name: str
    kind: str
    labels: tuple[str, ...]
    text: str


class Metrics:
    """All metrics of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.families: list[Family] = []
        counter, gauge = partial(self._add, Counter), partial(self._add, Gauge)

        self.builds = counter("builds_total", "Builds of runs that have ended.", "result", "reason")
        self.builds_started = counter("builds_started_total", "Runs that have started.", "trigger")
        self.retries = counter(
            "retries_total",
            "Attempts that failed and were followed by another attempt of the same run. The reason is why they failed.",
            "reason",
        )
        self.build_seconds = self._histogram(
            "build_duration_seconds",
            "Time from the start of a build's run to the end of the run, all attempts and waits included.",
            _BUILD_SECONDS,
            "result",
        )
        self.phase_seconds = self._histogram(
            "build_phase_duration_seconds",
            "Time that builds spent in each phase, observed when their run ends.",
            _BUILD_SECONDS,
            "phase",
        )
        self.running_builds = gauge("running_builds", "Runs that have not ended.", "state")

        self.queue_depth = gauge("queue_depth", "Resources that wait for a worker.")
        self.queue_oldest_seconds = gauge(
            "queue_oldest_seconds", "For how long the first of the resources in the queue has waited for a worker."
        )
        self.events_waiting = gauge(
            "events_waiting", "Kubernetes Events that wait to be written. They give way to all else that is written."
        )
        self.pass_seconds = self._histogram(
            "reconcile_duration_seconds",
            "Time that a pass over a resource took, with all its waits for servers.",
            _PASS_SECONDS,
            "kind",
        )
        self.pass_errors = counter(
            "reconcile_errors_total", "Passes that failed. The operator repeats them.", "kind", "cause"
        )
        self.loop_lag = self._histogram(
            "event_loop_lag_seconds",
            "How late the event loop came round, observed ten times a second. Nothing goes on meanwhile.",
            _LAG_SECONDS,
        )

        self.api_requests = counter(
            "api_requests_total",
            "Requests to the API server, those of kopf included. A watch counts when it begins.",
            "verb",
            "code",
        )
        self.outside_requests = counter(
            "outside_requests_total",
            "Requests to hosts outside of the cluster, other than git servers.",
            "host",
            "code",
        )
        self.logins = counter(
            "logins_total",
            "Logins of Azure identities to registries that were made or renewed (LoggedIn), and those that failed.",
            "reason",
        )
        self.login_oldest_seconds = gauge(
            "login_oldest_age_seconds",
            "Age of the oldest login that has not ended. A login that is in use is renewed at half of its life. One "
            "that nobody uses gets older, up to its end.",
        )

        self.leader = gauge("leader", "1 if this replica is the one that works, else 0.")
        self.version = gauge("operator_info", "Always 1. The label has the version of the operator.", "version")
        self.version.labels(__version__).set(1)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)

        # To find a series takes longer than to count. Hosts are words of users, so few are kept.
        self._of_api_request = lru_cache(_KEPT)(lambda verb, status: self.api_requests.labels(verb, code_label(status)))
        self._of_pass = lru_cache(_KEPT)(self.pass_seconds.labels)
        self._of_outside_request = lru_cache(_KEPT)(
            lambda host, status: self.outside_requests.labels(*outside_labels(host, status))
        )

    def _add(self, make: type[M], name: str, text: str, *labels: str, **more: Any) -> M:
        self.families.append(Family(f"{PREFIX}{name}", make.__name__.lower(), labels, text))
        return make(f"{PREFIX}{name}", text, labels, registry=self.registry, **more)

    def _histogram(self, name: str, text: str, buckets: Sequence[float], *labels: str) -> Histogram:
        return self._add(Histogram, name, text, *labels, buckets=buckets)

    def watch_queue(self, backlog: Callable[[], tuple[int, float]], events: Callable[[], int] = lambda: 0) -> None:
        """Read the depth and the age of a queue, and how many Events wait, from here on whenever somebody asks."""
        self.queue_depth.set_function(lambda: backlog()[0])
        self.queue_oldest_seconds.set_function(lambda: backlog()[1])
        self.events_waiting.set_function(events)

    def render(self) -> bytes:
        """All metrics in the text format of Prometheus."""
        return generate_latest(self.registry)

    def count_api_request(self, verb: str, status: int | None) -> None:
        """The API server answered a request; None: it did not."""
        self._of_api_request(verb, status).inc()

    def count_outside_request(self, host: str, status: int | None) -> None:
        """A host outside answered a request; None: it did not."""
        self._of_outside_request(host, status).inc()

    def count_login(self, reason: Reason) -> None:
        """A login was made or renewed, or failed."""
        self.logins.labels(reason_label(reason)).inc()

    def note_pass(self, kind: str, seconds: float, error: BaseException | None) -> None:
        """A pass over a resource of this kind ended."""
        self._of_pass(kind).observe(seconds)
        if error is not None:
            self.pass_errors.labels(kind, cause_label(error)).inc()


def reason_label(reason: str | None) -> str:
    """A reason as a label."""
    return str(reason) if reason in _REASONS else OTHER


def phase_label(phase: str) -> str:
    """How a build ended as a label. A status holds any text, whoever wrote it."""
    return phase if phase in _PHASES else OTHER


def trigger_label(trigger: str) -> str:
    """Why a run started as a label."""
    return trigger if trigger in _TRIGGERS else OTHER


def code_label(status: int | None) -> str:
    """The code of an answer as a label. A server may answer with any number; those that mean nothing share a label."""
    if status is None:
        return NO_ANSWER
    return str(int(status)) if status in _STATUSES else f"{status // 100}xx"


def outside_labels(host: str, status: int | None) -> tuple[str, str]:
    """What a host is, and how it answered, as labels."""
    kind = classify_host(host)
    return kind, UNTOLD if kind is HostClass.OTHER else code_label(status)


def cause_label(error: BaseException) -> str:
    """Why a pass failed, as a label."""
    if isinstance(error, UnavailableError):
        return "unavailable"
    return "refused" if isinstance(error, KubernetesError) else "unexpected"
