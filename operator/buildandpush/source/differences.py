"""Tells before kaniko starts what it would make of the Dockerfile in another way than Docker."""

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from buildandpush.api.reasons import Reason
from buildandpush.source.dockerfile.context import TooManyFilesError, open_context
from buildandpush.source.dockerfile.examine import NotReadableError, examine
from buildandpush.source.dockerfile.fetched import below_context
from buildandpush.source.dockerfile.finding import Settings
from buildandpush.source.dockerfile.judge import judge
from buildandpush.source.dockerfile.reader import MAX_BYTES
from buildandpush.source.report import SourceError

_NOT_CHECKED: Final = "nothing was compared with Docker"
# How Go, and so each image, calls the processors that Python calls otherwise.
_MACHINES: Final = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "armv6l": "arm", "i686": "386"}


def check_dockerfile(root: Path, request: Mapping[str, Any], submodules: Sequence[str] = ()) -> tuple[str, ...]:
    """The warnings, one line each. Raises SourceError for what ends the run.

    `request` is what the pod was asked for, `submodules` are paths relative to the root.
    """
    checks = request["checks"]
    path = root / request["dockerfile"]
    with path.open("rb") as file:
        raw = file.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        return (f"the Dockerfile has more than {MAX_BYTES} bytes: {_NOT_CHECKED}",)
    context = open_context(root if request["context"] == "." else root / request["context"], path)
    missing = below_context(submodules, request["context"])
    settings = _read_settings(request)
    try:
        text = raw.decode(errors="surrogateescape")
        findings = examine(text, context, settings, machine=find_machine(), submodules=missing)
    except NotReadableError as error:
        if error.empty:
            raise SourceError(Reason.DOCKERFILE_INVALID, f"{request['dockerfile']!r}: {error}") from error
        return (f"{error}: {_NOT_CHECKED}",)
    except TooManyFilesError:
        return (f"the context has too many files: {_NOT_CHECKED}",)
    verdict = judge(findings, checks.get("mode") or "")
    if verdict.refusals:
        reason = Reason.SOURCE_INCOMPLETE if verdict.about_source else Reason.DOCKERFILE_UNSUPPORTED
        raise SourceError(reason, "; ".join(verdict.refusals))
    return verdict.warnings


def _read_settings(request: Mapping[str, Any]) -> Settings:
    checks = request["checks"]
    return Settings(
        switched=bool(checks.get("switched")),
        snapshot_mode=checks.get("snapshotMode", "full"),
        user_namespace=bool(checks.get("userNamespace")),
        keeps_git="git" not in request or bool(request["git"].get("keepGitDir")),
        keeps_var_run=bool(checks.get("keepsVarRun")),
        platform=checks.get("platform") or find_machine(),
        target=checks.get("target", ""),
        build_arguments=checks.get("buildArguments", {}),
    )


def find_machine() -> str:
    """The platform of this machine, as images name it."""
    machine = platform.machine()
    return f"linux/{_MACHINES.get(machine, machine)}"
