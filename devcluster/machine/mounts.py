"""Finds and undoes mounts below a folder of ours; it never touches other mounts."""

import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from devcluster.errors import DevclusterError
from devcluster.machine.shell import run


def parse_mount_points(mountinfo: str) -> tuple[str, ...]:
    """Parse /proc/self/mountinfo into mount points, in the order they were mounted."""
    points = (line.split()[4] for line in mountinfo.splitlines() if line)
    # The kernel writes blanks and the like as \040.
    return tuple(re.sub(r"\\([0-7]{3})", lambda found: chr(int(found.group(1), 8)), point) for point in points)


def select_below(points: Iterable[str], folder: Path) -> tuple[str, ...]:
    """Select the mount points at or below a folder, the deepest first."""
    root = str(folder)
    below = [point for point in points if point == root or point.startswith(f"{root}/")]
    return tuple(sorted(below, key=lambda point: point.count("/"), reverse=True))


def read_below(folder: Path) -> tuple[str, ...]:
    """Read what is mounted at or below a folder now."""
    return select_below(parse_mount_points(Path("/proc/self/mountinfo").read_text()), folder.resolve())


def unmount_below(folder: Path) -> int:
    """Unmount everything at or below a folder and return how much it was; raise if something stays."""
    points = read_below(folder)
    for point in points:
        with suppress(DevclusterError):
            # Lazily: a process of somebody's that looks into it must not keep it.
            run(("umount", "--lazy", point))
    left = read_below(folder)
    if left:
        raise DevclusterError(f"Could not unmount {', '.join(left)}; end what uses it and run `down` again")
    return len(points)
