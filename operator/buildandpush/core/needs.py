"""Which logins a run needs, by its own record: the spec may have changed since."""

from buildandpush.api.status import Effective
from buildandpush.core.world import LoginNeed


def derive_needs(effective: Effective) -> tuple[LoginNeed, ...]:
    """One need for each connector: the push's registry, and every host that the base images' connectors name."""
    cache = (effective.cache_repository,) if effective.cache_repository else ()
    bases = [LoginNeed(name, push=cache) for name in effective.base_connectors or ()]
    if effective.connector is None:
        return tuple(bases)
    host = effective.repository.split("/", 1)[0]
    return (LoginNeed(effective.connector, (host,), (effective.repository, *cache)), *bases)
