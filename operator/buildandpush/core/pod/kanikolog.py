"""What kaniko's log says of a push. The log is searched as it is: what is masked may stand in the image's name.

The functions look for fixed words and read a few characters behind them, so a log of any length costs one pass.
"""

import re
from typing import Final

from buildandpush.api.status import MAX_LOG_TAIL
from buildandpush.core.pod.failurewords import BUILD_ERROR, COMMAND_ENDED
from buildandpush.core.text import LONG_LINE, clean, cut_middle, tail

# kaniko's own words: pkg/executor/push.go and pkg/executor/build.go. Some versions begin in lower case.
_CACHE_TROUBLE: Final = ("Error uploading layer to cache", "error uploading layer to cache")
_PUSHED: Final = "Pushed "
_BEHIND_NAME: Final = 160
"""A digest, and the end of the line with its colours."""
# In log format json a quotation mark follows.
_DIGEST: Final = re.compile(r"(sha256:[0-9a-f]{64})(?:[ \t]*$|\")", re.MULTILINE)

_MAX_DIGESTS: Final = 8
_TAIL_LINES: Final = 20


def find_pushed_digests(log: str, repository: str) -> tuple[str, ...]:
    """Each digest that was pushed to the repository, host included, once and in the order of the log; at most eight.

    kaniko pushes cached layers with the same words, but to other repositories.
    """
    words = f"{_PUSHED}{repository}@"
    digests: dict[str, None] = {}
    at = log.find(words)
    while at >= 0 and len(digests) < _MAX_DIGESTS:
        behind = at + len(words)
        found = _DIGEST.match(clean(log[behind : behind + _BEHIND_NAME]))
        if found is not None and not log[max(at - 1, 0) : at].isalnum():
            digests[found[1]] = None
        at = log.find(words, behind)
    return tuple(digests)


def find_cache_trouble(log: str) -> str | None:
    """Why the last layer that could not be put into the cache could not, in kaniko's words; kaniko goes on without.

    The words are as they stand in the log, with whatever secrets they hold.
    """
    at = max(log.rfind(words) for words in _CACHE_TROUBLE)
    if at < 0:
        return None
    return log[at + len(_CACHE_TROUBLE[0]) :].partition("\n")[0].lstrip(": ")


def _set_apart(log: str) -> str:
    """The log, with kaniko's word on how a command ended in a line of its own. What the command printed before it may
    be a part of a colour or of a login, which would go on in kaniko's words."""
    said = log.rfind(COMMAND_ENDED)
    begin = log.rfind(BUILD_ERROR, log.rfind("\n", 0, max(said, 0)) + 1, max(said, 0))
    return f"{log[:begin]}\n{log[begin:]}" if begin > 0 and log[begin - 1] != "\n" else log


def select_end(log: str, lines: int) -> tuple[str, bool]:
    """The last lines of a log, and before them the line in which kaniko says how a RUN command ended, if that stands
    further up. Says, too, whether this begins where the log does.

    kaniko and the command write side by side. What the command wrote last may arrive behind kaniko's last word.
    """
    log = _set_apart(log.rstrip())
    begin = len(log)
    for _ in range(lines):
        begin = log.rfind("\n", 0, begin)
        if begin < 0:
            return log, True
    end = log[begin + 1 :]
    said = log.rfind(COMMAND_ENDED, 0, begin)
    if said < 0 or COMMAND_ENDED in end:
        return end, False
    line = log.rfind("\n", 0, said) + 1
    return log[line : log.find("\n", said) + 1] + end, line == 0


def select_tail(log: str, said: str) -> str:
    """The end of a log as a status shows it, with the line `said` of the log, however much follows it there."""
    said = cut_middle(clean(said))
    end = tail(log, lines=_TAIL_LINES, size=MAX_LOG_TAIL)
    if said in end:
        return end
    return f"{said}\n{tail(log, lines=_TAIL_LINES - 1, size=MAX_LOG_TAIL - LONG_LINE - 1)}"
