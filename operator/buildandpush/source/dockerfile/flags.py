"""Checks of flags and mounts that kaniko takes and ignores."""

from collections.abc import Iterator
from typing import Final

from buildandpush.source.dockerfile.finding import Finding, Place

_IGNORED: Final = {
    ("ADD", "checksum"): "add-checksum",
    ("ADD", "exclude"): "exclude",
    ("COPY", "exclude"): "exclude",
    ("COPY", "parents"): "parents",
    ("ADD", "keep-git-dir"): "add-keep-git-dir",
}
_SWITCHES: Final = ("parents", "keep-git-dir")
"""Flags whose value false asks for what happens anyway."""
_UNMOUNTED: Final = {"ssh": "mount-ssh", "tmpfs": "mount-tmpfs"}


def check_flags(place: Place) -> Iterator[Finding]:
    """Flags without effect, each once a line."""
    keyword = place.instruction.keyword
    for name, value in dict(place.instruction.flags).items():
        check = _IGNORED.get((keyword, name))
        if check and not (name in _SWITCHES and value.lower() == "false"):
            yield place.found(check, f"--{name}")
        if (keyword, name) == ("ADD", "unpack"):
            yield place.found("add-unpack", "--unpack")
        if (keyword, name, value.lower()) == ("RUN", "network", "none"):
            yield place.found("run-network", "--network=none")
        if (keyword, name, value.lower()) == ("RUN", "security", "insecure"):
            yield place.found("run-security", "--security=insecure")


def check_mounts(place: Place) -> Iterator[Finding]:
    """Mounts that kaniko leaves out, and those that lead out of the context."""
    for mount in read_mounts(place):
        kind = mount.get("type", "bind").lower()
        if kind in _UNMOUNTED:
            yield place.found(_UNMOUNTED[kind], f"--mount=type={kind}")
        if kind != "bind":
            continue
        origin = mount.get("from", "")
        if origin and origin != "context":
            yield place.found("mount-from", f"--mount=type=bind,from={origin}")
        else:
            source = mount.get("source") or mount.get("src") or "."
            if place.context.leads_out(source):
                yield place.found("copy-escape", f"--mount=type=bind,source={source}")


def read_mounts(place: Place) -> list[dict[str, str]]:
    """The options of each RUN --mount, names in lower case; without those that hang on unknown values."""
    if place.instruction.keyword != "RUN":
        return []
    mounts = []
    for name, text in place.instruction.flags:
        if name == "mount":
            parts = (part.partition("=") for part in text.split(","))
            expanded = {key.strip().lower(): place.scope.expand(value) for key, _, value in parts}
            mounts.append({key: value for key, value in expanded.items() if value is not None})
    return mounts
