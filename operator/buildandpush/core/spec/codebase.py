"""What a run's commit gives to the expressions `<+codebase.*>`."""

import re
from dataclasses import dataclass
from typing import Final

COMMIT_ID: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
"""A whole commit id, of SHA-1 or SHA-256."""
_HEADS: Final = "refs/heads/"
_TAGS: Final = "refs/tags/"
_PULL_REQUEST: Final = re.compile(r"refs/(?:pull|pull-requests|merge-requests)/([0-9]{1,10})/(?:head|merge|from)")
"""GitHub's and Azure Repos', Bitbucket Server's and GitLab's."""
_SHORT: Final = 7
_SHOWN: Final = 200


@dataclass(frozen=True)
class Codebase:
    """The commit of a run."""

    url: str
    commit: str
    ref: str = ""
    """Full name of the branch or tag; empty where the revision is a commit's id."""
    author: str = ""
    message: str = ""

    def values(self) -> dict[str, str]:
        """The value of each expression; empty where this commit has none."""
        pull_request = _PULL_REQUEST.fullmatch(self.ref)
        kind = "PR" if pull_request else "tag" if self.ref.startswith(_TAGS) else "branch" if self.ref else ""
        branch = self.ref.removeprefix(_HEADS) if self.ref.startswith(_HEADS) else ""
        return {
            "branch": branch,
            "sourceBranch": "",
            "targetBranch": "",
            "tag": self.ref.removeprefix(_TAGS) if self.ref.startswith(_TAGS) else "",
            "commitSha": self.commit,
            "shortCommitSha": self.commit[:_SHORT],
            "commitRef": self.ref,
            "commitMessage": self.message,
            "gitUserId": self.author,
            "repoUrl": self.url,
            "prNumber": pull_request[1] if pull_request else "",
            "build.type": kind,
        }


NAMES: Final = tuple(Codebase("", "").values())


def explain_empty(name: str, codebase: Codebase) -> str:
    """Why an expression about the commit has no value."""
    ref = codebase.ref
    at = f"the revision is {ref[:_SHOWN]!r}" if ref else "the revision is the id of a commit"
    return f"<+codebase.{name}> has no value, since {at}; use another expression, or correct source.git.revision"
