"""Looks now and then whether the installed CustomResourceDefinitions are the operator's own, and says what is older.

Helm installs CRDs and never upgrades them, so an operator may meet one that drops what it writes.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from buildandpush.api import meta
from buildandpush.api.crd import build_crd, connector_crd
from buildandpush.clients.errors import KubernetesError, UnavailableError
from buildandpush.clients.kubernetes.client import KubernetesClient
from buildandpush.core.crdgap import CrdGap, find_gap

_log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 600.0
"""How often: somebody applies the CRDs once he has read the log."""
_SHOWN: Final = 10
"""So many fields are named in a line of the log."""


class CrdWatch:
    """Tells `apply` which fields of BuildAndPushACR the installed CRD drops, once the API server has told."""

    def __init__(self, client: KubernetesClient, apply: Callable[[frozenset[str]], None]) -> None:
        self._client = client
        self._apply = apply
        self._ours = (build_crd(), connector_crd())
        self._known: dict[str, CrdGap] = {}

    async def run(self) -> None:
        """Look again and again, after a first look."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Look once. Where the CRDs cannot be read, what was known before holds."""
        for ours in self._ours:
            name = ours["metadata"]["name"]
            try:
                gap = find_gap(ours, await self._client.read_crd(name))
            except (KubernetesError, UnavailableError) as error:
                _log.warning("crd.not_read", crd=name, error=str(error))
                continue
            if gap != self._known.get(name, CrdGap()):
                _log_gap(name, gap)
            self._known[name] = gap
            if name == f"{meta.BUILD_PLURAL}.{meta.GROUP}":
                self._apply(gap.missing)


def _log_gap(name: str, gap: CrdGap) -> None:
    if gap.missing:
        remedy = (
            "kubectl apply --server-side --force-conflicts -f charts/buildandpush-operator/crds, from the operator's "
            "version"
        )
        missing = sorted(gap.missing)
        _log.error("crd.outdated", crd=name, missing=missing[:_SHOWN], more=len(missing[_SHOWN:]), remedy=remedy)
    elif gap.unknown:
        _log.warning("crd.newer", crd=name, unknown=sorted(gap.unknown)[:_SHOWN], remedy="upgrade the operator")
    else:
        _log.info("crd.current", crd=name)
