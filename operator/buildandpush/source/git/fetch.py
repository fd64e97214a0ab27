"""Fetches one revision of a git repository, without trusting its URL or its contents."""

from collections import deque
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from buildandpush.api.reasons import Reason
from buildandpush.api.sourcelimits import USUAL_LIMITS, SourceLimits
from buildandpush.source.facts import SourceFacts
from buildandpush.source.git import submodules
from buildandpush.source.git.folder import list_links, remove_git_folder
from buildandpush.source.git.lfs import Room, fetch_lfs
from buildandpush.source.git.revision import fetch_commit
from buildandpush.source.git.sparse import check_folders, limit_checkout
from buildandpush.source.git.submodules import Submodule
from buildandpush.source.git.wanted import Wanted, parse_wanted
from buildandpush.source.git.way import Access, Server, Way, find_way, run_git, split_url
from buildandpush.source.report import SourceError

_DETAILS: Final = "%H%n%an <%ae>%n%s"


def fetch_git(git: dict[str, Any], root: Path, limits: SourceLimits = USUAL_LIMITS) -> SourceFacts:
    """Fetch what the request's `git` names into the root."""
    wanted = parse_wanted(git)
    print(f"Fetching {wanted.revision or 'the default branch'} of {git['url']}", flush=True)
    access = Access(
        _describe_login(git),
        ca_bundle=git.get("caBundle", ""),
        ignore_host_key=git.get("insecureIgnoreHostKey", False),
    )
    facts = fetch_wanted(git["url"], wanted, root, access, limits)
    return replace(facts, revision=git.get("revision") or None)


def _describe_login(git: dict[str, Any]) -> str:
    """What the login to the git server comes from; empty where there is none."""
    if "credentialsRef" in git:
        return f"Secret {git['credentialsRef']['name']!r}"
    return f"AzureConnector {git['connectorRef']!r}" if "connectorRef" in git else ""


def fetch_revision(url: str, revision: str, root: Path, access: Access | None = None) -> SourceFacts:
    """Check the revision out into the root; raises SourceError."""
    return fetch_wanted(url, Wanted(revision), root, access or Access())


@dataclass(frozen=True)
class _Repository:
    """One that is checked out."""

    root: Path
    server: Server
    facts: SourceFacts
    submodules: list[Submodule]


def fetch_wanted(
    url: str, wanted: Wanted, root: Path, access: Access, limits: SourceLimits = USUAL_LIMITS
) -> SourceFacts:
    """Check out what is wanted into the root; raises SourceError. The limits are those of Git LFS."""
    room = Room(limits)
    first = _check_out(split_url(url), wanted, root, access, room)
    print(f"At commit {first.facts.commit}", flush=True)
    _fetch_submodules(first, wanted, access, room)
    return first.facts


def _check_out(server: Server, wanted: Wanted, root: Path, access: Access, room: Room) -> _Repository:
    way = find_way(server, access)
    found = fetch_commit(root, way, server.url, wanted)
    limit_checkout(root, way, wanted.paths)
    run_git(root, way, "checkout", "--quiet", "--detach", found.commit, "--")
    check_folders(root, wanted.paths)
    if wanted.lfs:
        fetch_lfs(root, server, way, wanted.allowed_hosts, room)
    facts = _describe(root, way, wanted, found.ref)
    below = submodules.list_submodules(root, way) if wanted.submodules else []
    if not wanted.submodules:
        facts = replace(facts, empty_submodules=tuple(path for path, _ in list_links(root)))
    if not wanted.keep_git_dir:
        remove_git_folder(root)
    return _Repository(root, server, facts, below)


def _describe(root: Path, way: Way, wanted: Wanted, ref: str | None) -> SourceFacts:
    told = run_git(root, way, "log", "-1", "--no-show-signature", f"--format={_DETAILS}").split("\n")
    commit, author, message = told[:3]
    return SourceFacts(revision=wanted.revision or None, ref=ref, commit=commit, author=author, message=message)


def _fetch_submodules(first: _Repository, wanted: Wanted, access: Access, room: Room) -> None:
    """Check out the submodules of a repository level by level; raises SourceError."""
    waiting = deque((1, first, each) for each in first.submodules)
    fetched = 0
    while waiting:
        level, parent, each = waiting.popleft()
        root, server = parent.root / each.path, None
        place, fetched = str(root.relative_to(first.root)), fetched + 1
        if fetched > submodules.MOST or level > submodules.DEEPEST:
            limit = f"more than {submodules.MOST} submodules, or more than {submodules.DEEPEST} levels of them"
            raise SourceError(Reason.SOURCE_TOO_LARGE, f"{place!r}: the repository has {limit}")
        try:
            server = split_url(submodules.find_address(each.url, parent.server))
            submodules.refuse_host(server.host, wanted.allowed_hosts)
            print(f"Fetching submodule {place!r} of {server.url}", flush=True)
            allowed = submodules.limit_access(access, server, first.server)
            found = _check_out(server, wanted.of_submodule(each.commit), root, allowed, room)
        except SourceError as error:
            raise submodules.explain(error, place, server, first.server) from error
        waiting.extend((level + 1, found, below) for below in found.submodules)
