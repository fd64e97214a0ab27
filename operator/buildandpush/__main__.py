"""Starts the operator: `python -m buildandpush`. Wires everything together and decides nothing."""

from buildandpush.processone import end_at_sigterm, leave, open_many_files

if __name__ == "__main__":
    end_at_sigterm(0)  # before all else is loaded, which takes seconds where the processor is busy

import asyncio
import gc
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, NoReturn

import structlog

from buildandpush import __version__
from buildandpush.api import meta
from buildandpush.clients.azure.entra import EntraClient
from buildandpush.clients.azure.identity import IdentityLogins
from buildandpush.clients.azure.resource_manager import ResourceManager
from buildandpush.clients.azure.sharedlogins import SharedLogins
from buildandpush.clients.azure.tokens import AcrClient
from buildandpush.clients.clusterfacts import ClusterFacts
from buildandpush.clients.flux import FluxClient
from buildandpush.clients.git.lookups import Lookups
from buildandpush.clients.git.remote import GitRemote
from buildandpush.clients.git.revisions import Place, Revisions
from buildandpush.clients.git.scratch import remove_left
from buildandpush.clients.kubernetes.client import KubernetesClient
from buildandpush.clients.kubernetes.transport import Transport
from buildandpush.clients.lease import Lease
from buildandpush.clients.outside import Outside
from buildandpush.clients.registry import RegistryClient
from buildandpush.config import ConfigError, OperatorConfig
from buildandpush.core.facts import Commit
from buildandpush.core.fluxobject import PLURALS
from buildandpush.handlers.announcements import Announcements
from buildandpush.handlers.answers import Sources
from buildandpush.handlers.informers.crds import CrdWatch
from buildandpush.handlers.informers.fluxwatch import FluxWatch
from buildandpush.handlers.informers.listing import list_all, refresh, refresh_kind
from buildandpush.handlers.informers.nodes import NodeWatch
from buildandpush.handlers.informers.podwatch import PodWatch
from buildandpush.handlers.informers.store import Store
from buildandpush.handlers.informers.watch import Watcher, run_kopf
from buildandpush.handlers.objects import POD_KIND, Key
from buildandpush.handlers.observability.health import Health, Loop, serve_health
from buildandpush.handlers.observability.looplag import LoopLag
from buildandpush.handlers.observability.metrics import Metrics
from buildandpush.handlers.observability.runmeter import RunMeter
from buildandpush.handlers.progress import Progress
from buildandpush.handlers.quotas import Quotas
from buildandpush.handlers.reconcile import Reconciler
from buildandpush.handlers.telling import Telling
from buildandpush.handlers.workqueue.journal import Journal
from buildandpush.handlers.workqueue.passes import Passes
from buildandpush.handlers.workqueue.queue import WorkQueue
from buildandpush.telemetry import configure_logging

_log = structlog.get_logger("buildandpush")

DRAIN_SECONDS = 20.0
FLUSH_SECONDS = 4.0
"""For Events that are not written yet. Both together leave some of the 30 s that the kubelet gives."""
_YOUNG_OBJECTS = 10_000
"""Some MiB."""


def _utc_now() -> datetime:
    """Status times have a grain of one second, and what is compared with them must have the same."""
    return datetime.now(UTC).replace(microsecond=0)


async def run(config: OperatorConfig, certificates: str = "") -> int:
    """Stand by until this operator leads, then run until SIGTERM or SIGINT, and let what is being worked on come to its
    end. Gives back the exit code: 1 if the lease was lost or etcd was restored from an older snapshot, since nothing
    known by then may be used any more."""
    stop = asyncio.Event()

    def take_signals() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)

    take_signals()
    health, metrics = Health(), Metrics()
    lag = LoopLag(on_look=metrics.loop_lag.observe)
    async with await Transport.connect(metrics.count_api_request) as transport:
        client = KubernetesClient(transport)
        server = await serve_health(config.port, health, lag, metrics)
        watching = asyncio.create_task(lag.run(), name="lag")
        lease = _make_lease(config, client, health) if config.pod_namespace else None
        if lease is None or await lease.wait_until_leading(stop):
            metrics.leader.set_function(lease.may_act if lease is not None else lambda: 1)
            await _lead(config, certificates, client, lease, health, metrics, stop, take_signals)
        watching.cancel()
        await server.cleanup()
    _log.info("operator.stopped")
    return 0 if stop.is_set() else 1


def _make_lease(config: OperatorConfig, client: KubernetesClient, health: Health) -> Lease:
    health.turn(Loop.LEASE, "the Lease has not been looked at yet")
    return Lease(
        client,
        config.pod_namespace,
        config.lease_name,
        config.pod_name,
        duration=float(config.lease_seconds),
        on_turn=lambda problem: health.turn(Loop.LEASE, problem),
    )


async def _lead(
    config: OperatorConfig,
    certificates: str,
    client: KubernetesClient,
    lease: Lease | None,
    health: Health,
    metrics: Metrics,
    stop: asyncio.Event,
    take_signals: Callable[[], None],
) -> None:
    """Watch and act until told to stop, or until the lease is lost."""
    acting = client.guarded(lease.check) if lease is not None else client
    rules = config.address_rules(os.environ.get("KUBERNETES_SERVICE_HOST", ""))
    store, outside = Store(), Outside(config.ca_file, rules=rules, on_answer=metrics.count_outside_request)
    settings = replace(config.build_settings, trusted_certificates=certificates)
    entra = EntraClient(outside, acting)
    identities = IdentityLogins(entra, AcrClient(outside), _utc_now, config.first_backoff_seconds, metrics.count_login)

    def wake(key: Key) -> None:
        queue.add(key)

    def wake_build(namespace: str, name: str) -> None:
        wake(Key(meta.BUILD_KIND, namespace, name))

    logins = SharedLogins(
        acting, identities, config.login_settings, _utc_now, lambda *place: wake(Key(meta.CONNECTOR_KIND, *place))
    )
    lookups: Lookups[Place, Commit | bool] = Lookups(
        _utc_now,
        lambda place: wake_build(*place),
        namespace_of=lambda place: place[0],
        first_backoff_seconds=config.first_backoff_seconds,
    )
    git = GitRemote(outside, rules, config.ca_file, told_hosts=settings.git_hosts)
    flux = FluxClient(client, time.monotonic)
    sources = Sources(
        acting,
        logins,
        RegistryClient(outside),
        ResourceManager(outside, entra, config.portal_settings, _utc_now),
        Revisions(acting, logins, git, lookups),
        flux,
        store.find_node,
        ClusterFacts(
            client, time.monotonic, namespaces=config.read_namespaces, priorities=config.read_priority_classes
        ),
    )
    quotas = Quotas(lambda owner: wake_build(owner.namespace, owner.name))
    announcements = Announcements(acting)
    progress = Progress(time.monotonic)
    reconciler = Reconciler(
        sources, store, settings, _utc_now, RunMeter(metrics), quotas, wake, Telling(announcements.tell, progress)
    )
    queue: WorkQueue[Key] = WorkQueue(
        Passes(reconciler.reconcile, Journal(config.state_dir)).run,
        workers=config.workers,
        namespace_of=lambda key: key.namespace,
        on_done=lambda key, seconds, error: metrics.note_pass(key.kind, seconds, error),
    )
    metrics.watch_queue(queue.backlog, announcements.count_waiting)
    metrics.login_oldest_seconds.set_function(identities.oldest_seconds)
    watcher = Watcher(store, queue, quotas.note_room, progress.left)
    nodes = NodeWatch(client, reconciler.allow_user_namespaces) if config.user_namespaces == "Auto" else None
    crds = CrdWatch(client, reconciler.know_crd)
    # Ended by a signal, by the loss of the lease, or because versions went back.
    listed, ended = asyncio.Event(), asyncio.Event()
    # Made before kopf starts: whatever is made later, kopf takes for its own and cancels when it ends.
    health.stalled_seconds = queue.stalled_seconds
    tasks = [
        *_watch_pods(client, store, queue, watcher, config, listed, health),
        *_watch_flux(flux, store, queue, config),
        asyncio.create_task(_work(client, store, queue, config, nodes, crds, health, listed), name="queue"),
        asyncio.create_task(crds.run(), name="crds"),
        asyncio.create_task(announcements.run(), name="events"),
        asyncio.create_task(
            refresh(client, store, queue, config.namespace_list, watcher.relisted, health, listed), name="refresh"
        ),
    ]
    if nodes is not None:
        tasks.append(asyncio.create_task(nodes.run(), name="nodes"))
    health.tasks += tasks
    watchers = [
        asyncio.create_task(_set_after(stop.wait(), ended), name="signals"),
        asyncio.create_task(_set_after(store.relapsed.wait(), ended), name="relapse"),
    ]
    if lease is not None:
        watchers.append(asyncio.create_task(_set_after(lease.keep(), ended), name="lease"))
    _log.info("operator.started", version=__version__, namespaces=config.namespaces or "all")
    await run_kopf(watcher, config.namespace_list, ended, take_signals, stop, health, metrics.count_api_request)
    _log.info("operator.stopping", queued=len(queue))
    if stop.is_set():
        await _finish(queue, announcements)
    running = [*tasks, *watchers]
    health.tasks.clear()
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    if lease is not None:
        await lease.release()
    await lookups.close()
    git.close()
    await entra.close()
    await outside.close()


async def _finish(queue: WorkQueue[Key], announcements: Announcements) -> None:
    """Let what is under way come to its end."""
    await queue.drain(DRAIN_SECONDS)
    await announcements.flush(FLUSH_SECONDS)


def _watch_pods(
    client: KubernetesClient,
    store: Store,
    queue: WorkQueue[Key],
    watcher: Watcher,
    config: OperatorConfig,
    listed: asyncio.Event,
    health: Health,
) -> list[asyncio.Task[None]]:
    tasks = []
    for namespace in config.namespace_list or (None,):
        list_pods = partial(refresh_kind, client, store, queue.add, POD_KIND, namespace)
        watch = PodWatch(client, namespace, list_pods, watcher.on_pod, listed, health.watch_answered)
        tasks.append(asyncio.create_task(watch.run(), name=f"pods of {namespace or 'all'}"))
    return tasks


def _watch_flux(
    flux: FluxClient, store: Store, queue: WorkQueue[Key], config: OperatorConfig
) -> list[asyncio.Task[None]]:
    return [
        asyncio.create_task(FluxWatch(flux, store, queue.add, kind, namespace).run(), name=f"flux-{kind}")
        for kind in PLURALS
        for namespace in config.namespace_list or (None,)
    ]


async def _work(
    client: KubernetesClient,
    store: Store,
    queue: WorkQueue[Key],
    config: OperatorConfig,
    nodes: NodeWatch | None,
    crds: CrdWatch,
    health: Health,
    listed: asyncio.Event,
) -> None:
    """Work, but not before the pods that are there have been listed: another operator may have made them."""
    if nodes is not None:
        await nodes.look()
    await list_all(client, store, queue, config.namespace_list, health)
    listed.set()
    await crds.look()  # before anything is written that an older CRD may drop
    await queue.run()


async def _set_after(work: Coroutine[Any, Any, Any], event: asyncio.Event) -> None:
    await work
    event.set()


def _spare_garbage_collection() -> None:
    """What the imports have made stays for good, so nobody need walk through it again. By default the young objects are
    walked through after each 700, which is several times in a pass."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 10, 10)


def main() -> NoReturn:
    """The entry point; exit code 2 for settings that cannot be used."""
    try:
        config = OperatorConfig.from_env(os.environ)
        certificates = config.read_certificates()
    except ConfigError as error:
        print(f"buildandpush: {error}", file=sys.stderr)
        sys.exit(2)
    configure_logging(config.log_level)
    remove_left()
    _spare_garbage_collection()
    open_many_files()
    with asyncio.Runner() as runner:
        leave(runner.run(run(config, certificates)))


if __name__ == "__main__":
    main()
