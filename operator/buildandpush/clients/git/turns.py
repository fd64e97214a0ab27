"""Questions that wait for their turn. Namespaces take turns, and within each its hosts, so that whoever asks much or
names many hosts is nobody's hindrance.
"""

from collections.abc import Callable, Hashable


class Turns:
    """What waits, by namespace and host; whose turn is next comes first."""

    def __init__(self) -> None:
        self._waiting: dict[str, dict[str, dict[Hashable, None]]] = {}

    def add(self, namespace: str, host: str, key: Hashable) -> None:
        """A namespace wants something of a host."""
        self._waiting.setdefault(namespace, {}).setdefault(host, {})[key] = None

    def drop(self, namespace: str, host: str, key: Hashable) -> None:
        """A namespace wants it no more."""
        hosts = self._waiting.get(namespace, {})
        keys = hosts.get(host, {})
        keys.pop(key, None)
        if not keys:
            hosts.pop(host, None)
        if not hosts:
            self._waiting.pop(namespace, None)

    def take(self, may_begin: Callable[[str, str], bool]) -> tuple[str, Hashable] | None:
        """What comes next of what may begin, by its namespace and host, and whose turn this is; None if nothing may.

        It waits no more in this namespace, whose next turn comes after those of all others.
        """
        for namespace, hosts in self._waiting.items():
            host = next((host for host in hosts if may_begin(namespace, host)), None)
            if host is not None:
                key = next(iter(hosts[host]))
                self._waiting[namespace] = self._waiting.pop(namespace)
                hosts[host] = hosts.pop(host)
                self.drop(namespace, host, key)
                return namespace, key
        return None
