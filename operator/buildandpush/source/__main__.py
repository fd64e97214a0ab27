"""Runs in the init container: `python3 -m buildandpush.source REQUEST`; REQUEST is the JSON that the pod carries."""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from buildandpush.api.reasons import Reason
from buildandpush.source.archive import fetch_archive
from buildandpush.source.check import check_paths
from buildandpush.source.copied import MOUNT, copy_config_map, copy_volume
from buildandpush.source.differences import check_dockerfile
from buildandpush.source.download import without_query
from buildandpush.source.git import Access, fetch_revision
from buildandpush.source.gitfolder import list_submodules, remove_git_folder
from buildandpush.source.inline import write_files
from buildandpush.source.patience import Clock, try_again
from buildandpush.source.report import SourceError, reason_of, render_failure, render_success, write_report


@dataclass(frozen=True)
class Fetched:
    """What was fetched and looked at."""

    revision: str | None = None
    commit: str | None = None
    warnings: tuple[str, ...] | None = None
    """What kaniko makes of the Dockerfile in another way than Docker; None if that was not to be looked at."""


def fetch(request: dict[str, Any], clock: Clock) -> Fetched:
    """Fetch what the request names and look at its Dockerfile. Raises SourceError."""
    root = Path(request["root"])
    root.mkdir(parents=True, exist_ok=True)
    revision, commit = None, None
    if "git" in request:
        git = request["git"]
        revision = git.get("revision") or None
        print(f"Fetching {revision or 'the default branch'} of {git['url']}", flush=True)
        access = Access(_describe_login(git), ca_bundle=git.get("caBundle", ""))
        commit = try_again(lambda: fetch_revision(git["url"], revision or "", root, access), root, clock)
        print(f"At commit {commit}", flush=True)
    elif "archive" in request:
        archive = request["archive"]
        print(f"Downloading {without_query(archive['url'])}", flush=True)
        digest, entries = try_again(lambda: fetch_archive(archive, root), root, clock)
        print(f"Unpacked {entries} entries of sha256:{digest}", flush=True)
    elif "configMap" in request:
        print(f"Copied {copy_config_map(MOUNT, root)} files of ConfigMap {request['configMap']['name']}", flush=True)
    elif "persistentVolumeClaim" in request:
        path = request["persistentVolumeClaim"].get("path") or "."
        print(f"Copied {copy_volume(MOUNT, path, root)} files of the volume", flush=True)
    elif "inline" in request:
        write_files(request["inline"]["files"], root)
        print(f"Wrote {len(request['inline']['files'])} files", flush=True)
    else:
        raise SourceError(Reason.SOURCE_INVALID, "the request names no source")
    check_paths(root, request["dockerfile"], request["context"])
    submodules = list_submodules(root) if "git" in request else []
    if "git" in request and not request["git"].get("keepGitDir"):
        remove_git_folder(root)
    warnings = check_dockerfile(root, request, submodules) if "checks" in request else None
    return Fetched(revision, commit, warnings)


def _describe_login(git: dict[str, Any]) -> str:
    """What the login to the git server comes from; empty where there is none."""
    if "credentialsRef" in git:
        return f"Secret {git['credentialsRef']['name']!r}"
    return f"AzureConnector {git['connectorRef']!r}" if "connectorRef" in git else ""


def main(arguments: list[str], clock: Clock | None = None) -> int:
    """Fetch, report, and end with 0 or 1."""
    report = Path(os.environ.get("TERMINATION_LOG", "/dev/termination-log"))
    try:
        fetched = fetch(json.loads(Path(arguments[0]).read_text()), clock or Clock())
    except (SourceError, OSError, ValueError) as raised:
        error = raised if isinstance(raised, SourceError) else SourceError(reason_of(raised), str(raised))
        print(f"{error.reason}: {error}", file=sys.stderr)
        write_report(render_failure(error), report)
        return 1
    for warning in fetched.warnings or ():
        print(f"Warning: {warning}", flush=True)
    write_report(render_success(fetched.revision, fetched.commit, fetched.warnings), report)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
