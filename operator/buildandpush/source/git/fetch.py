"""Fetches one revision of a git repository, without trusting its URL or its contents."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from buildandpush.api.sourcelimits import USUAL_LIMITS, SourceLimits
from buildandpush.source.facts import SourceFacts
from buildandpush.source.git.folder import list_submodules, remove_git_folder
from buildandpush.source.git.revision import fetch_commit
from buildandpush.source.git.wanted import Wanted, parse_wanted
from buildandpush.source.git.way import Access, find_way, run_git, split_url

_DETAILS: Final = "%H%n%an <%ae>%n%s"


def fetch_git(git: dict[str, Any], root: Path, _: SourceLimits = USUAL_LIMITS) -> SourceFacts:
    """Fetch what the request's `git` names into the root."""
    wanted = parse_wanted(git)
    print(f"Fetching {wanted.revision or 'the default branch'} of {git['url']}", flush=True)
    access = Access(_describe_login(git), ca_bundle=git.get("caBundle", ""))
    facts = fetch_wanted(git["url"], wanted, root, access)
    print(f"At commit {facts.commit}", flush=True)
    facts = replace(facts, revision=git.get("revision") or None, empty_submodules=list_submodules(root))
    if not git.get("keepGitDir"):
        remove_git_folder(root)
    return facts


def _describe_login(git: dict[str, Any]) -> str:
    """What the login to the git server comes from; empty where there is none."""
    if "credentialsRef" in git:
        return f"Secret {git['credentialsRef']['name']!r}"
    return f"AzureConnector {git['connectorRef']!r}" if "connectorRef" in git else ""


def fetch_revision(url: str, revision: str, root: Path, access: Access | None = None) -> SourceFacts:
    """Check the revision out into the root; raises SourceError."""
    return fetch_wanted(url, Wanted(revision), root, access or Access())


def fetch_wanted(url: str, wanted: Wanted, root: Path, access: Access) -> SourceFacts:
    """Check out what is wanted into the root; raises SourceError."""
    server = split_url(url)
    way = find_way(server, access)
    found = fetch_commit(root, way, server.url, wanted)
    run_git(root, way, "checkout", "--quiet", "--detach", found.commit, "--")
    told = run_git(root, way, "log", "-1", "--no-show-signature", f"--format={_DETAILS}").split("\n")
    commit, author, message = told[:3]
    return SourceFacts(revision=wanted.revision or None, ref=found.ref, commit=commit, author=author, message=message)
