"""Fetches one revision of a git repository over http(s), without trusting its URL or its contents."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from buildandpush.api.reasons import Reason
from buildandpush.api.sourcelimits import USUAL_LIMITS, SourceLimits
from buildandpush.source.facts import SourceFacts
from buildandpush.source.git.folder import list_submodules, remove_git_folder
from buildandpush.source.git.way import Access, find_way, run_git, split_url
from buildandpush.source.report import SourceError

_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_DETAILS: Final = "%H%n%an <%ae>%n%s"
_SHORT_COMMIT: Final = re.compile(r"[0-9a-f]{7,39}")


def fetch_git(git: dict[str, Any], root: Path, _: SourceLimits = USUAL_LIMITS) -> SourceFacts:
    """Fetch what the request's `git` names into the root."""
    revision, commit = git.get("revision", ""), git.get("commit", "")
    print(f"Fetching {commit or revision or 'the default branch'} of {git['url']}", flush=True)
    access = Access(_describe_login(git), ca_bundle=git.get("caBundle", ""))
    facts = fetch_revision(git["url"], commit or revision, root, access)
    print(f"At commit {facts.commit}", flush=True)
    facts = replace(facts, revision=revision or None, empty_submodules=list_submodules(root))
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
    server = split_url(url)
    way = find_way(server, access or Access())
    url = server.url
    wanted = revision or "HEAD"
    run_git(root, way, "init", "--quiet", "--template=", ".")
    try:
        run_git(root, way, "fetch", "--quiet", "--depth=1", "--no-tags", "--end-of-options", url, wanted)
    except SourceError as error:
        if error.reason is Reason.REVISION_NOT_FOUND and _SHORT_COMMIT.fullmatch(wanted):
            raise SourceError(Reason.COMMIT_ID_SHORT, f"{wanted!r} has {len(wanted)} of 40 characters") from error
        if error.reason is not Reason.REVISION_NOT_FOUND or not _COMMIT.fullmatch(wanted):
            raise
        # Some servers give commits only by the branches and tags that hold them.
        run_git(root, way, "fetch", "--quiet", "--tags", "--end-of-options", url, "+refs/heads/*:refs/remotes/o/*")
        run_git(root, way, "checkout", "--quiet", "--detach", wanted, "--")
    else:
        run_git(root, way, "checkout", "--quiet", "--detach", "FETCH_HEAD", "--")
    told = run_git(root, way, "log", "-1", "--no-show-signature", f"--format={_DETAILS}").split("\n")
    commit, author, message = told[:3]
    return SourceFacts(revision=revision or None, commit=commit, author=author, message=message)
