"""Text as somebody writes it who knows our patterns: their own fragments, in rows. And how time is measured on it."""

import gc
import os
import random
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

FRAGMENTS: Final = (
    # logins and tokens
    *(
        "://",
        "://a:",
        "://a:b@",
        "@",
        "/",
        ":",
        "eyJ",
        "eyJAAAAAAAA",
        "A",
        ".",
        "AAAAAAAAA.",
        '"auth"',
        '"auth":"',
        '"password" : "',
    ),
    *('"a_token', "client_", "token", "_", "\\", '\\"', "Basic ", "Bearer ", "Bearer AAAAAAAA", "hunter22-secret"),
    # escape sequences and other alphabets
    *("\x1b", "\x1b[", "\x1b[0;", "\x1b]", "\x1b]8;;", "\x1b\\", "\x07", "\r", "\r\n", "日", "\u200b", "\U000f0000"),
    # blanks and quotation marks
    *(" ", "\t", "\n", " \n", "'", '"', "<", ">", ",", "=", "+", "%2F", "-", "0", "x", "a1"),
    # kaniko
    *("error building image: ", "error pushing image: ", "error checking push permissions: ", "Error: ", "error "),
    *("waiting for process to exit: exit status 1", "INFO[0001] ", "[", "]", "time=", "level=", "msg="),
    *("UNAUTHORIZED: ", "DENIED: ", "MANIFEST_UNKNOWN: ", "TOOMANYREQUESTS: ", "unexpected status code 4", "x509: "),
    *('Get "https://', 'Get "https://a": ', "GET https://", "GET https://a: ", "connection refused", "lookup "),
    *("failed to get fileinfo for ", "lstat ", "failed to get filesystem from image: ", "permission denied", "mkdir /"),
    *("resolving dockerfile path", "no source files", "path ", "client with IP '", "Pushed ", "@sha256:", "a" * 64),
    *("Error uploading layer to cache: ", "contoso.azurecr.io/shop/web"),
    *("path /x not readable", "GET https://a/v2/", "/manifests/", "loading image"),
    # a kubelet, a node, Dockerfiles
    *(
        "Usage of EmptyDir volume",
        "v1.",
        "FROM ",
        "FROM scratch\nRUN ",
        "COPY a b\n",
        "ADD http://a ",
        "<<EOF\n",
        "EOF\n",
    ),
    *("\\\n", "#", "# syntax=", "${a}", "${a:-", "$a", "--mount=type=bind,", "--from=", "ENV a=$a$a\n", '["', '", "'),
    *("ONBUILD ", "WORKDIR ", "VOLUME ", "**/", "*", "!", "?", "EOF\n", "git@a:", " setcap ", " git describe "),
    # Azure, registries, certificates, git
    *("AADSTS", "AADSTS7", "Trace ID:", '{"errors":[{"message":"', "{", '{"a":', "[{", "Bearer realm=", 'realm="'),
    *("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----", "fatal: ", "remote: ", "https://"),
)
_ENOUGH_SECONDS: Final = 0.001
"""Below that a measurement says little."""
_QUICK_SECONDS: Final = 2e-8
"""For a character. At that rate memory decides what a text of some hundred KiB takes, and a MiB takes 20 ms."""
_SURELY_LINEAR: Final = 2.2
"""Times as long for twice the text. A function whose time grows with the square takes less only if more than half of it
is a fixed cost, and then four times the text takes less than nine times as long, too."""
THOROUGH: Final = os.environ.get("HOSTILE_TEXT") == "thorough"
"""Measure four times the text for every function, as `make simulation` does."""
_FIRST: Final = 2 * 1024
_LAST: Final = 256 * 1024


class SlowTextError(AssertionError):
    """A function takes more than in proportion to its text."""


def recipes(*, mixed: int = 40) -> Iterator[tuple[str, str, str]]:
    """A beginning, what is repeated behind it, and an end: each fragment alone, and some mixed, always the same."""
    yield from (("", fragment, "") for fragment in FRAGMENTS)
    chance = random.Random(17)
    for _ in range(mixed):
        unit = "".join(chance.choices(FRAGMENTS, k=chance.randint(1, 3)))
        yield chance.choice(FRAGMENTS), unit, chance.choice(("", *FRAGMENTS))


def cook(recipe: tuple[str, str, str], size: int) -> str:
    """A text of this recipe of about so many characters."""
    begin, unit, end = recipe
    return begin + unit * (size // len(unit) + 1) + end


def check_linear(work: Callable[[str], Any], recipe: tuple[str, str, str]) -> None:
    """Raise SlowTextError if twice the text takes more than thrice the time. It is doubled two times."""
    size, seconds = _FIRST, 0.0
    while size < _LAST and seconds < _ENOUGH_SECONDS:
        size *= 2
        seconds = _measure(work, cook(recipe, size), times=1)
    if seconds < _ENOUGH_SECONDS:
        return  # a fixed cost, whatever the text
    short = cook(recipe, size)
    # One doubling says it of most functions, for half of the time.
    if not THOROUGH and _measure(work, cook(recipe, 2 * size), times=1) <= _SURELY_LINEAR * seconds:
        return
    long = cook(recipe, 4 * size)
    ratios = []
    for times in (1, 3, 5):  # a machine that does other things besides spoils one measurement, but hardly three
        seconds = _measure(work, long, times=times)
        ratios.append(seconds / _measure(work, short, times=times))
        if ratios[-1] <= 3 * 3 or seconds / len(long) < _QUICK_SECONDS:
            return
    told = ", ".join(f"{ratio:.0f}" for ratio in ratios)
    raise SlowTextError(f"{recipe!r} from {size} to {4 * size} characters: {told} times the time")


def _measure(work: Callable[[str], Any], text: str, *, times: int) -> float:
    """Seconds of the processor, the best of some runs."""
    gc.disable()
    try:
        return min(_run(work, text) for _ in range(times))
    finally:
        gc.enable()


def _run(work: Callable[[str], Any], text: str) -> float:
    began = time.process_time()
    work(text)
    return time.process_time() - began
