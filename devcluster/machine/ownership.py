"""Remembers the state folder of the machine's one cluster, so that no command takes down another checkout's cluster."""

from pathlib import Path

from devcluster.errors import DevclusterError
from devcluster.machine.shell import write_file
from devcluster.settings import Settings

# Bridge, iptables rules and control groups have fixed names, so they alone do not tell whose they are. The kernel
# forgets them at a reboot, and so does /run this file.
OWNER_FILE = Path("/run/buildandpush-devcluster.owner")


def check_owner(settings: Settings, owner_file: Path = OWNER_FILE) -> None:
    """Raise if the machine's cluster lives in another state folder, or the folder holds somebody else's files."""
    owner = owner_file.read_text().strip() if owner_file.exists() else ""
    if owner and owner != str(settings.state):
        raise DevclusterError(
            f"This machine's dev cluster lives in {owner}, not in {settings.state};"
            f" take that one down first (`DEVCLUSTER_STATE={owner} python -m devcluster down`)."
        )
    state = settings.state
    if state.exists() and not settings.marker.exists() and any(state.iterdir()):
        raise DevclusterError(
            f"{state} holds files that are not of a dev cluster; name an empty or new folder in DEVCLUSTER_STATE."
        )


def claim(settings: Settings, owner_file: Path = OWNER_FILE) -> None:
    """Record that the machine's cluster lives in this state folder."""
    check_owner(settings, owner_file)
    write_file(owner_file, str(settings.state))
    write_file(settings.marker, "Everything in this folder belongs to the dev cluster; `down` removes it.\n")


def release(owner_file: Path = OWNER_FILE) -> None:
    """Record that the machine has no cluster any more."""
    owner_file.unlink(missing_ok=True)
