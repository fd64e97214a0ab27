"""Checks that hang on the lines before: users, folders, volumes and rights."""

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from buildandpush.source.dockerfile.copying import copied_words, is_below, is_remote
from buildandpush.source.dockerfile.fetched import find_git_command, takes_git_folder
from buildandpush.source.dockerfile.finding import Finding, Place
from buildandpush.source.dockerfile.stages import pairs

_MAX_MAPPED_ID: Final = 65535
_MAX_VOLUMES: Final = 50
_MAX_REMEMBERED: Final = 4096
"""The longest path of Linux. What is longer is not kept for the lines that follow, each of which would look at it."""
_SETCAP: Final = re.compile(r"\bsetcap\b")
_ROOT: Final = ("", "root", "0", "0:0", "root:root", "0:root", "root:0")


@dataclass
class State:
    """What holds from a line of a stage on."""

    user: str | None = ""
    """None for one that is not known here."""
    workdir: str | None = None
    volumes: list[str] = field(default_factory=list)
    has_users: bool = False
    """Whether something may have put an /etc/passwd there."""
    misses_git: bool = False
    """Whether it has files of the context that would have .git with them, if the source had it."""


def check_state(place: Place, state: State) -> Iterator[Finding]:
    """What hangs on USER, WORKDIR and VOLUME lines before."""
    keyword = place.instruction.keyword
    if keyword in ("COPY", "ADD"):
        yield from _check_owner(place, state)
    elif keyword == "RUN":
        yield from _check_run(place, state)
    elif keyword == "WORKDIR" and _names_user(state) and not place.settings.switched:
        target = place.scope.expand(place.instruction.text) or ""
        if len([part for part in target.split("/") if part]) > 1:
            yield place.found("workdir-owner", target)
    elif keyword == "LABEL":
        yield from _check_label(place)


def note_state(place: Place, state: State, copied: State | None = None) -> None:
    """What the line changes for those that follow. `copied` is the end of the stage that it copies from."""
    keyword, text = place.instruction.keyword, place.instruction.text
    if keyword == "USER":
        state.user = _short(place.scope.expand(text))
    elif keyword == "WORKDIR":
        target = _short(place.scope.expand(text))
        state.workdir = None if target is None else _short(posixpath.join(state.workdir or "/", target))
    elif keyword == "VOLUME":
        paths = (_short(place.scope.expand(word)) for word in place.instruction.words)
        state.volumes += [posixpath.normpath(path) for path in paths if path][: _MAX_VOLUMES - len(state.volumes)]
    elif keyword in ("COPY", "ADD", "RUN"):
        target = place.scope.expand(copied_words(place)[1]) if keyword != "RUN" else None
        state.misses_git |= copied.misses_git if copied else keyword != "RUN" and _misses_git(place)
        state.has_users |= target is None or is_below("/etc/passwd", posixpath.normpath(target)) or target == "/"


def _short(value: str | None) -> str | None:
    """The value; None, as for one that is not known, if it is too long to be kept."""
    return None if value is None or len(value) > _MAX_REMEMBERED else value


def _names_user(state: State) -> bool:
    return bool(state.user) and state.user not in _ROOT


def _check_owner(place: Place, state: State) -> Iterator[Finding]:
    chown = place.instruction.flag("chown")
    owner = place.scope.expand(chown) if chown else None
    if owner:
        yield from _check_chown(place, state, owner)
    if chown is not None or place.instruction.flag("from") is not None:
        return
    if _names_user(state) and not place.settings.switched:
        yield place.found("copy-owner", "")
    elif _names_user(state) and any(is_remote(place.scope.expand(word) or "") for word in copied_words(place)[0]):
        yield place.found("add-owner", "")


def _check_chown(place: Place, state: State, owner: str) -> Iterator[Finding]:
    if place.settings.user_namespace and _beyond_map(owner):
        yield place.found("chown-mapped", f"--chown={owner}")
    names = [part for part in owner.split(":", 2)[:2] if part and not part.isdigit()]
    if names and place.stage.on_scratch and not state.has_users:
        yield place.found("chown-scratch", f"--chown={owner}")


def _beyond_map(owner: str) -> bool:
    user_and_group = owner.split(":", 2)[:2]
    return any(part.isascii() and part.isdigit() and int(part[:12]) > _MAX_MAPPED_ID for part in user_and_group)


def _check_run(place: Place, state: State) -> Iterator[Finding]:
    if state.user and place.settings.user_namespace and _beyond_map(state.user):
        yield place.found("chown-mapped", f"as USER {state.user}")
    if _names_user(state) and ":" in (state.user or "") and not place.settings.switched:
        yield place.found("run-group", f"as USER {state.user}")
    text = run_text(place)
    for volume in state.volumes:
        if _mentions(text, volume) or is_below(posixpath.normpath(state.workdir or "/"), volume):
            yield place.found("volume", volume)
            break
    git = find_git_command(text)
    if git and (state.misses_git or _misses_git(place)):
        yield place.found("git-command", git)
    yield from _check_command(place, text)


def _misses_git(place: Place) -> bool:
    return not place.settings.keeps_git and takes_git_folder(place)


def _check_command(place: Place, text: str) -> Iterator[Finding]:
    """What the words of a command tell."""
    if not place.settings.keeps_var_run and _mentions(text, "/var/run"):
        yield place.found("var-run", "/var/run")
    if _SETCAP.search(text) and place.settings.snapshot_mode != "full":
        yield place.found("capability-lost", "setcap")
    elif _SETCAP.search(text) and place.stage.copied:
        yield place.found("capability-copied", "setcap")


def run_text(place: Place) -> str:
    """A RUN line with its here-documents."""
    return "\n".join((place.instruction.text, *(heredoc.body for heredoc in place.instruction.heredocs)))


def _mentions(text: str, path: str) -> bool:
    """Whether a command names the path or something below it."""
    if path == "/":
        return True
    at = text.find(path)
    while at >= 0:
        end = text[at + len(path) : at + len(path) + 1]
        if end in ("", "/") or not (end.isalnum() or end in "_-."):
            return True
        at = text.find(path, at + 1)
    return False


def _check_label(place: Place) -> Iterator[Finding]:
    """A value that is another one once it is read twice. Its line breaks are no part of what is looked at."""
    for name, word in pairs(place.instruction.text):
        once = place.scope.expand(word)
        if once is not None and place.scope.expand(once) != once:
            yield place.found("label-escape", name)
            return


def check_heredocs(place: Place) -> Iterator[Finding]:
    """Variables in here-documents, where kaniko leaves them as they are."""
    if place.settings.switched or place.instruction.keyword not in ("COPY", "ADD"):
        return
    for heredoc in place.instruction.heredocs:
        if heredoc.expand and re.search(r"\$\{?[A-Za-z_]", heredoc.body):
            yield place.found("heredoc-variable", f"<<{heredoc.name}")
