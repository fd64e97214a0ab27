"""Asks git servers by git itself: which commit a revision is at, and what differs between two commits.

git gets the same settings as in a build's pod: addresses that were checked, no redirects, no prompts, no settings of
the machine, and a login in its environment alone. The operator has more at stake than a pod has, so each git has limits
besides (process.py).
"""

import asyncio
import contextlib
import hashlib
import os
import time
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

import structlog

from buildandpush.api.addresses import AddressRules, WatchedRules
from buildandpush.api.reasons import Reason
from buildandpush.clients.git.lookups import UnendedError
from buildandpush.clients.git.process import GitProcesses
from buildandpush.clients.git.scratch import ScratchFolder
from buildandpush.clients.recent import Recent
from buildandpush.core.facts import Commit, GitRevision
from buildandpush.core.foreign import admit
from buildandpush.core.text import clip
from buildandpush.source.git.githubapp import App, names_app, parse_app
from buildandpush.source.git.refs import COMMIT, list_patterns, read_refs
from buildandpush.source.git.way import Access, Way, explain_failure, find_way, split_url
from buildandpush.source.report import SourceError

_log = structlog.get_logger(__name__)

_QUESTION_SECONDS: Final = 90.0
"""How long all gits of a question may take. Questions that are put at once are few, and all users share them."""
_WAY_SECONDS: Final = 20.0
"""How long DNS, and the server that makes a token, may take."""
_APP_LOGIN_SECONDS: Final = 45 * 60.0
"""How long a token of a GitHub App is used. It ends after an hour."""
_PAUSES_SECONDS: Final = (3.0, 9.0)
"""A server needs that long at times until all of its parts know a new token."""
_THREADS: Final = 32
"""More than there are questions at once. One that gave up counts as such until its thread has ended."""
_SHA256_DIGITS: Final = 64
_TELLING: Final = frozenset(
    {
        Reason.SOURCE_UNREACHABLE,
        Reason.SOURCE_INVALID,
        Reason.SOURCE_MOVED,
        Reason.CERTIFICATE_NOT_TRUSTED,
        Reason.SOURCE_HOST_KEY,
    }
)
"""What a server that is none of git's may be found out by. The others are what a git server says of a repository."""
_DETAILS: Final = "%an <%ae>%n%s"
_MAX_TEXT: Final = 256
"""Bytes of a ref, an author or a message. A status shows no more, and thousands of answers are kept."""


class Telling(Protocol):
    """Who knows whether everybody may learn how a host answers."""

    async def may_tell(self, host: str) -> bool:
        """Whether everybody may."""

    def note_inside(self, host: str) -> None:
        """Heed from now on that a host was found inside the cluster's network. Whoever names a host owns its DNS, which
        could say what is public to whoever asks next."""


@dataclass(frozen=True)
class GitLogin:
    """A login to a git server."""

    origin: str
    """Where it comes from, in words."""
    keys: Mapping[str, str]
    """As the Secret of a login has them: username and password, bearerToken, or those of a GitHub App."""


class GitRemote:
    """Asks one git server at a time, for each call; how many calls there are at a time is not decided here."""

    def __init__(self, telling: Telling, rules: AddressRules, ca_file: str = "", *, told_hosts: tuple[str, ...] = ()):
        """`rules` say where the operator may connect to, and `ca_file` names certificates that it trusts. Of
        `told_hosts` everybody may learn how they answer."""
        self._telling = telling
        self._rules = rules
        self._ca_file = Path(ca_file) if ca_file else Path(os.devnull) / "none"
        self._told_hosts = told_hosts
        self._processes = GitProcesses()
        self._threads = ThreadPoolExecutor(_THREADS, "git")
        """Of its own: DNS that says nothing holds a thread for long, and other clients look up hosts too."""
        self._headers: Recent[tuple[str, str], tuple[float, str]] = Recent()
        """Logins that were made for GitHub Apps, and until when they are used, by url and a hash of the Secret."""

    def close(self) -> None:
        """Begin nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def find_commit(self, at: GitRevision, login: GitLogin | None, *, details: bool) -> Commit:
        """The commit that a revision is at; raises SourceError."""
        is_commit = COMMIT.fullmatch(at.revision) is not None
        if is_commit and not details:
            return Commit(at.revision)
        async with ScratchFolder() as folder, _in_time():
            way = await self._find_way(at, login, folder)
            found = Commit(at.revision)
            if not is_commit:
                patterns = list_patterns(at.revision)
                told = await self._git(at, way, folder, "ls-remote", "--quiet", "--symref", _url(at), *patterns)
                refs = read_refs(told, at.revision)
                found = Commit(refs.commit, admit(refs.ref))
            if details:
                await self._fetch_one(at, way, folder, found)
                command = ("log", "-1", "--no-show-signature", f"--format={_DETAILS}", found.commit, "--")
                found = _add_details(found, await self._git(at, way, folder, *command))
            return replace(found, ref=clip(found.ref, _MAX_TEXT))

    async def is_touched(
        self, at: GitRevision, login: GitLogin | None, commits: tuple[str, str], paths: tuple[str, ...]
    ) -> bool:
        """Whether one of these files and folders differs between two commits; raises SourceError.

        The server sends the commits and the folders on the way to the paths. One that cannot do so sends all files,
        which may be more than a git may write here.
        """
        async with ScratchFolder() as folder, _in_time():
            way = await self._find_way(at, login, folder)
            await self._fetch(at, way, folder, *commits)
            listed = [
                await self._git(at, way, folder, "ls-tree", "-z", "--full-tree", commit, "--", *paths)
                for commit in commits
            ]
            return listed[0] != listed[1]

    async def _find_way(self, at: GitRevision, login: GitLogin | None, folder: Path) -> Way:
        about = (at.url, _tell_apart(login)) if login and names_app(login.keys) else None
        until, header = (self._headers.get(about) if about else None) or (0.0, "")
        rules = WatchedRules(inner=self._rules)
        access = Access(
            login.origin if login else "",
            ca_bundle=at.ca_bundle,
            ignore_host_key=at.ignore_host_key,
            keys=login.keys if login else None,
            trusted=self._ca_file,
            scratch=folder,
            rules=rules,
            header=header if time.monotonic() < until else "",
        )
        server = split_url(at.url)
        app = parse_app(login.keys, login.origin, server.url) if login and names_app(login.keys) else None
        finding = asyncio.get_running_loop().run_in_executor(self._threads, find_way, server, access)
        try:
            async with asyncio.timeout(_WAY_SECONDS):
                way = await asyncio.shield(finding)
        except SourceError as error:
            if app is None:
                raise
            self._note_inside(rules, server.host, app)
            # The rest of it is what the server of the API says, which need not be GitHub's.
            raise await self._hide(error, _api_host(app)) from error
        except TimeoutError as error:
            told = f"neither DNS nor the server of the login says anything of {server.host!r}"
            finding.add_done_callback(_read_error)
            raise UnendedError(Reason.SOURCE_UNREACHABLE, told, finding) from error
        self._note_inside(rules, server.host, app)
        if about and way.is_login_new:
            self._headers.put(about, (time.monotonic() + _APP_LOGIN_SECONDS, way.header))
        return way

    async def _fetch_one(self, at: GitRevision, way: Way, folder: Path, found: Commit) -> None:
        """Fetch a commit by its id, since its branch may have moved on; or by its ref, from a server that wants one."""
        try:
            await self._fetch(at, way, folder, found.commit)
        except SourceError as error:
            if error.reason is not Reason.REVISION_NOT_FOUND or not found.ref:
                raise
            await self._fetch(at, way, folder, found.ref)

    async def _fetch(self, at: GitRevision, way: Way, folder: Path, *wanted: str) -> None:
        kind = ("--object-format=sha256",) if any(len(name) == _SHA256_DIGITS for name in wanted) else ()
        await self._git(at, way, folder, "init", "--quiet", "--bare", "--template=", *kind, ".")
        options = ("--quiet", "--depth=1", "--filter=tree:0", "--no-tags", "--no-write-fetch-head")
        await self._git(at, way, folder, "fetch", *options, "--end-of-options", _url(at), *wanted)

    async def _git(self, at: GitRevision, way: Way, folder: Path, *arguments: str) -> str:
        """What git prints; raises SourceError, with words only where users may have them."""
        code, printed, complained = await self._processes.run(way, folder, arguments)
        for seconds in _PAUSES_SECONDS if way.is_login_new else ():
            if code == 0 or explain_failure(way, complained).reason is not Reason.SOURCE_DENIED:
                break
            await asyncio.sleep(seconds)
            code, printed, complained = await self._processes.run(way, folder, arguments)
        if code == 0:
            return printed
        error = explain_failure(way, complained)
        if error.reason is Reason.SOURCE_DENIED:
            self._headers.drop(lambda about: about[0] == at.url)
        raise await self._hide(error, split_url(at.url).host) if error.reason in _TELLING else error

    def _note_inside(self, rules: WatchedRules, host: str, app: App | None) -> None:
        if rules.led_inside():
            for each in (host, *((_api_host(app),) if app else ())):
                self._telling.note_inside(each)

    async def _hide(self, error: SourceError, host: str) -> SourceError:
        """The error with its words only where users may have them."""
        if host in self._told_hosts or await self._telling.may_tell(host):
            return error
        _log.warning("git.failed", host=host, reason=error.reason, error=str(error))
        return SourceError(error.reason, f"the operator's log says how {host!r} answered")


def _api_host(app: App) -> str:
    return urlsplit(app.api).hostname or ""


def _add_details(found: Commit, told: str) -> Commit:
    """The commit with what git tells of it."""
    author, _, message = admit(told).partition("\n")
    return replace(found, author=clip(author, _MAX_TEXT), message=clip(message.partition("\n")[0], _MAX_TEXT))


def _read_error(finding: asyncio.Future[Way]) -> None:
    """Nobody waits for it any more, and asyncio would complain of an error that nobody reads."""
    if not finding.cancelled():
        finding.exception()


def _tell_apart(login: GitLogin) -> str:
    """What tells a login from others. A Secret may be large, and this is kept for each url."""
    return hashlib.sha256(repr(sorted(login.keys.items())).encode()).hexdigest()


def _url(at: GitRevision) -> str:
    return split_url(at.url).url


@contextlib.asynccontextmanager
async def _in_time() -> AsyncIterator[None]:
    """Raises SourceError once a question takes too long."""
    try:
        async with asyncio.timeout(_QUESTION_SECONDS):
            yield
    except TimeoutError as error:
        told = f"the question timed out after {_QUESTION_SECONDS:.0f} s"
        raise SourceError(Reason.SOURCE_UNREACHABLE, told) from error
