"""Starts the operator: `python -m buildandpush`. Wires everything together and decides nothing."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime

import structlog
from aiohttp import web

from buildandpush import __version__
from buildandpush.api import meta
from buildandpush.clients.acr import AcrClient
from buildandpush.clients.entra import EntraClient
from buildandpush.clients.identity import AzureGateway, IdentityLogins
from buildandpush.clients.kubernetes import KubernetesClient
from buildandpush.clients.logins import Logins
from buildandpush.clients.outside import Outside
from buildandpush.clients.registry import RegistryClient
from buildandpush.clients.resource_manager import ResourceManager
from buildandpush.config import ConfigError, OperatorConfig
from buildandpush.handlers.answers import Sources
from buildandpush.handlers.queue import WorkQueue
from buildandpush.handlers.reconcile import Reconciler
from buildandpush.handlers.store import Key, Store
from buildandpush.handlers.watch import Watcher, refresh, run_kopf
from buildandpush.telemetry import configure_logging

_log = structlog.get_logger("buildandpush")

DRAIN_SECONDS = 20.0


def _utc_now() -> datetime:
    """Status times have a grain of one second, and what is compared with them must have the same."""
    return datetime.now(UTC).replace(microsecond=0)


async def _serve_health(port: int, is_healthy: Callable[[], bool]) -> web.AppRunner:
    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n") if is_healthy() else web.Response(text="a task has ended\n", status=503)

    app = web.Application()
    app.router.add_get("/healthz", healthz)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, port=port).start()
    return runner


async def run(config: OperatorConfig) -> None:
    """Run until SIGTERM or SIGINT, then let what is being worked on come to its end."""
    stop = asyncio.Event()

    def take_signals() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)

    take_signals()
    async with await KubernetesClient.connect() as client:
        store = Store()
        outside = Outside(config.ca_file)
        entra = EntraClient(outside, client)
        identities = IdentityLogins(AzureGateway(entra, AcrClient(outside)), _utc_now)

        def wake_connector(namespace: str, name: str) -> None:
            queue.add(Key(meta.CONNECTOR_KIND, namespace, name))

        sources = Sources(
            client,
            Logins(client, identities, config.login_settings, _utc_now, wake_connector),
            RegistryClient(outside),
            ResourceManager(outside, entra, config.portal_settings, _utc_now),
        )
        reconciler = Reconciler(sources, store, config.build_settings, _utc_now)
        queue: WorkQueue[Key] = WorkQueue(reconciler.reconcile, workers=config.workers)
        # Made before kopf starts: whatever is made later, kopf takes for its own and cancels when it ends.
        tasks = [
            asyncio.create_task(queue.run(), name="queue"),
            asyncio.create_task(refresh(client, store, queue, config.namespace_list), name="refresh"),
        ]
        health = await _serve_health(config.port, lambda: not any(task.done() for task in tasks))
        _log.info("operator.started", version=__version__, namespaces=config.namespaces or "all")
        await run_kopf(Watcher(store, queue), config.namespace_list, stop, take_signals)
        _log.info("operator.stopping", queued=len(queue))
        await queue.drain(DRAIN_SECONDS)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await health.cleanup()
        await entra.close()
        await outside.close()
    _log.info("operator.stopped")


def main() -> int:
    """The entry point; exit code 2 for settings that cannot be used."""
    try:
        config = OperatorConfig.from_env(os.environ)
    except ConfigError as error:
        print(f"buildandpush: {error}", file=sys.stderr)
        return 2
    configure_logging(config.log_level)
    asyncio.run(run(config))
    return 0


if __name__ == "__main__":
    sys.exit(main())
