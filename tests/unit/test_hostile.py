"""No text from a stranger holds the event loop: twice the text takes at most thrice the time."""

import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import pytest

from buildandpush.clients import image, kubernetes, outside
from buildandpush.clients.azure import tokens
from buildandpush.core import text
from buildandpush.core.azure import errors, token
from buildandpush.core.foreign import Admitted, admit, admit_end, admit_line, cut_line
from buildandpush.core.jsonvalue import UnreadableError, parse_json
from buildandpush.core.pod.failure import classify_failure
from buildandpush.core.pod.failurewords import command_error, error_line, how_command_ended
from buildandpush.core.pod.kanikolog import find_cache_trouble, find_pushed_digests, select_end, select_tail
from buildandpush.core.pod.observation import ContainerObservation, observe_pod, read_source_report
from buildandpush.core.pod.standstill import observe_events
from buildandpush.core.redact import mask_patterns, mask_values, redact
from buildandpush.core.run.unreadable import read_status
from buildandpush.source.meaning import explain_git
from buildandpush.telemetry import _without_secrets
from tests.unit.core.factories import container, pod, terminated
from tests.unit.hostile import SlowTextError, check_linear, recipes

SECRETS: Final = ["hunter22-secret", "aaaa", "日日日日", *(f"line {number} of a file" for number in range(100))]


def _failed(code: int) -> Any:
    return pod(phase="Failed", containerStatuses=[container("kaniko", terminated=terminated(code))])


def _observe(words: str) -> None:
    status = {
        "phase": "Failed",
        "message": words,
        "conditions": [{"type": "PodScheduled", "status": "False", "message": words}],
    }
    read_source_report(observe_pod({"metadata": {"name": "p"}, "status": status}).source)


def _parse_manifest(words: str) -> None:
    image._parse(words.encode(errors="replace"))


def _quietly(work: Callable[[str], Any], *errors: type[Exception]) -> Callable[[str], None]:
    def call(words: str) -> None:
        with suppress(*errors):
            work(words)

    return call


BEHIND_THE_DOOR: Final[dict[str, Callable[[str], Any]]] = {
    "clean": text.clean,
    "clip": lambda words: text.clip(words, 1024),
    "tail": lambda words: text.tail(words, lines=20, size=2048),
    "mask_values": lambda words: mask_values(words, SECRETS),
    "mask_patterns": mask_patterns,
    "redact": lambda words: redact(words, SECRETS[:3]),
    "cut_line": cut_line,
    "error_line": lambda words: error_line(Admitted(words)),
    "how_command_ended": lambda words: how_command_ended(Admitted(words)),
    "command_error": lambda words: command_error(Admitted(words)),
    "select_tail": lambda words: select_tail(Admitted(words), words[-2000:]),
    "classify_failure": lambda words: classify_failure(_failed(1), Admitted(words)),
    "classify_failure of a command": lambda words: classify_failure(_failed(7), Admitted(words)),
    "classify_entra": lambda words: errors.classify_entra(Admitted(words), 401),
    "classify_node": lambda words: errors.classify_node(Admitted(words), 400),
    "classify_access": lambda words: errors.classify_access("host", 400, Admitted(words)),
    "classify_exchange": lambda words: errors.classify_exchange("host", 400, Admitted(words)),
    "read_source_report": lambda words: read_source_report(ContainerObservation(message=Admitted(words))),
}
"""Functions that get text which came through the door. They are linear without it, too."""

DOORS: Final[dict[str, Callable[[str], Any]]] = {
    "admit": lambda words: admit(words, SECRETS, size=len(words)),
    "admit_end": lambda words: admit_end(words, SECRETS, size=len(words)),
    "admit_line": lambda words: admit_line(words, SECRETS, size=256),
    "clip_foreign": errors.clip_foreign,
    "unreachable": lambda words: errors.unreachable("host", words),
    "find_pushed_digests": lambda words: find_pushed_digests(words, "contoso.azurecr.io/shop/web"),
    "find_cache_trouble": find_cache_trouble,
    "select_end": lambda words: select_end(words, 60),
    "observe_pod": _observe,
    "observe_events": lambda words: observe_events([{"message": words, "reason": words}]),
    "read_status": lambda words: read_status({"conditions": words, "phase": words, "run": words}),
    "parse_json": _quietly(parse_json, UnreadableError),
    "a refusal by the API server": lambda words: kubernetes._refusal(403, words.encode(errors="replace"), "GET /"),
    "a registry's refusal": tokens._find_words,
    "a registry's challenge": image._token_address,
    "a registry's manifest": _quietly(lambda words: image._parse(words.encode(errors="replace")), image.NotReadError),
    "a token's life": token.read_life,
    "a token's end": token.read_end,
    "what a token allows": token.read_access,
    "whether a token is of roles for repositories": token.has_repository_roles,
    "certificates": _quietly(outside._certificates_in, ssl.SSLError),
    "what git says": explain_git,
    "a line of the operator's log": _without_secrets,
}
"""Functions that get a stranger's text as it is."""

ALL: Final = BEHIND_THE_DOOR | DOORS


@pytest.mark.parametrize("name", ALL)
def test_twice_the_text_takes_at_most_thrice_the_time(name: str) -> None:
    slow = []
    for recipe in recipes():
        try:
            check_linear(ALL[name], recipe)
        except SlowTextError as error:
            slow.append(str(error))
    assert slow == []
