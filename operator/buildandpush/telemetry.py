"""Logging: one JSON object a line on stderr, the records of kopf and of other libraries in the same shape.

Events of ours, stable names to search for:
    operator.started  operator.stopping  operator.stopped  operator.watch_restarted
    lease.standing_by  lease.created  lease.leading  lease.attempt_failed  lease.lost  lease.not_released
    build.status_changed  pod.created  pod.adopted  pod.gone_already  event.refused  events.not_written
    status.refused  login.not_removed
    crd.outdated  crd.newer  crd.current  crd.not_read  crd.field_dropped
    registry.unreachable  endpoint.silent  nodes.user_namespaces  nodes.not_read
    store.refresh_failed  store.unread  store.not_taken  store.relapsed
    watch.refused  pods.watch_failed  pods.not_taken  flux.not_allowed  flux.watch_failed  git.failed  lookup.failed
    limits.not_read  limits.not_a_number
    pass.slow  pass.alone  loop.held  journal.strike  journal.not_read  journal.not_written
    queue.work_failed  queue.work_refused  queue.server_away  queue.drain_timed_out  reconcile.not_settled
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from buildandpush.core.foreign import MAX_LOG, cut_end
from buildandpush.core.redact import redact


def configure_logging(level: str) -> None:
    """Send every record, ours and the libraries', through one JSON renderer."""
    shared: list[structlog.types.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, _object_reference],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _redacted,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    # Each watch event and each request would be a line of its own.
    for name in ("kopf.objects", "aiohttp.access", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # Their warnings hold whole answers, a proxy's echo of a secret included; what counts of them is told in a status.
    for name in ("azure", "msal"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _object_reference(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """kopf says which object a record is about in an attribute of its own."""
    record = event.get("_record")
    reference = getattr(record, "k8s_ref", None)
    if isinstance(reference, dict):
        event["namespace"], event["build"] = reference.get("namespace"), reference.get("name")
    return event


def _redacted(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: _without_secrets(value) for key, value in event.items()}


def _without_secrets(value: Any) -> Any:
    if isinstance(value, str):
        # Our own lines are short. A library's may repeat an answer of any length.
        return redact(cut_end(value, MAX_LOG))
    if isinstance(value, dict):
        return {key: _without_secrets(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_secrets(inner) for inner in value]
    return value
