"""No text from a stranger holds the event loop: twice the text takes at most thrice the time."""

import base64
import json
import ssl
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from azure.core.exceptions import AzureError

from buildandpush.api.meta import BUILD_KIND
from buildandpush.clients import image, outside
from buildandpush.clients.azure import entra, tokens
from buildandpush.clients.errors import KubernetesError
from buildandpush.clients.git import remote as gitremote
from buildandpush.clients.kubernetes import watchstream
from buildandpush.clients.kubernetes.lists import parse_page
from buildandpush.clients.kubernetes.refusal import classify_refusal
from buildandpush.core import text
from buildandpush.core.azure import errors, token
from buildandpush.core.azure.credential import ClientSecret
from buildandpush.core.azure.login import read_login_secret
from buildandpush.core.build import sourceconditions
from buildandpush.core.build.limits import advise_unschedulable
from buildandpush.core.build.succeeded import describe_image
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.expressions.evaluate import is_true, render
from buildandpush.core.expressions.patterns import matches_whole
from buildandpush.core.expressions.reader import read_condition, read_text
from buildandpush.core.expressions.tree import ExpressionError
from buildandpush.core.facts import Commit, ReadBack
from buildandpush.core.fluxobject import read_artifact
from buildandpush.core.foreign import NOTHING, Admitted, admit, admit_end, admit_line, cut_line
from buildandpush.core.jsonvalue import UnreadableError, parse_json
from buildandpush.core.pod import observation
from buildandpush.core.pod.failure import classify_failure
from buildandpush.core.pod.failurewords import command_error, error_line, how_command_ended
from buildandpush.core.pod.kanikolog import find_cache_trouble, find_pushed_digests, select_end, select_tail
from buildandpush.core.pod.nodes import can_map_users
from buildandpush.core.pod.observation import (
    ContainerObservation,
    PodObservation,
    observe_pod,
    read_source_report,
)
from buildandpush.core.pod.readback import Claim, parse_claim, read_report
from buildandpush.core.pod.standstill import observe_events
from buildandpush.core.redact import mask_patterns, mask_values, redact
from buildandpush.core.registrywords import find_answer, find_denied_address, find_missing_image
from buildandpush.core.retryafter import parse_retry_after
from buildandpush.core.run.rebuild import wants_failed_only
from buildandpush.core.run.unreadable import read_status
from buildandpush.core.spec.quantity import parse_duration_seconds
from buildandpush.core.spec.registries import parse_mirrors
from buildandpush.core.spec.tags import expand_tag
from buildandpush.handlers.informers.kept import keep
from buildandpush.handlers.refusals import explain_refusal
from buildandpush.readback.login import read_authorization
from buildandpush.source.archive.azureblob import BlobLogin, explain_blob, sign_url
from buildandpush.source.dockerfile.context import Context, TooManyFilesError
from buildandpush.source.dockerfile.examine import NotReadableError, examine
from buildandpush.source.dockerfile.finding import Settings
from buildandpush.source.dockerfile.ignorefile import is_ignored, read_patterns
from buildandpush.source.dockerfile.judge import judge
from buildandpush.source.git import revision, submodules
from buildandpush.source.git import way as git
from buildandpush.source.git.lfs import read_headers
from buildandpush.source.git.lfspointer import parse_pointer
from buildandpush.source.git.meaning import explain_git, explain_ssh
from buildandpush.source.git.refs import read_refs
from buildandpush.source.git.settingsfile import split_settings
from buildandpush.source.git.sshkey import read_ssh_login
from buildandpush.source.hidden import hide
from buildandpush.source.network.address import refuse_odd_name
from buildandpush.source.oci import manifest, registry
from buildandpush.source.report import SourceError
from buildandpush.telemetry import _without_secrets
from tests.unit.core.factories import DIGEST, NOW, container, pod, terminated
from tests.unit.foreigntext import list_functions, record_calls
from tests.unit.hostile import SlowTextError, check_linear, cook, recipes
from tests.unit.pipelines.strangers import STRANGERS, WORDS, import_values

SECRETS: Final = ["hunter22-secret", "aaaa", "日日日日", *(f"line {number} of a file" for number in range(100))]

SECRET: Final = ClientSecret("contoso.com", "04b07795-8ddb-461a-bbee-02f9e1bf7b46", "s3cr3t-value")
LOGIN_KEYS: Final = (".dockerconfigjson", "login.json")
POINTER_BEGIN: Final = b"version https://git-lfs.github.com/spec/v1\n"
GIT_SERVER: Final = git.Server("https://git.example/a.git", "https", "git.example", 443, "")


class Page(type(Path())):  # type: ignore[misc]
    """A file with this content."""

    def __init__(self, words: str) -> None:
        self.words = words

    def read_text(self) -> str:
        return self.words


def _failed(code: int) -> Any:
    return pod(phase="Failed", containerStatuses=[container("kaniko", terminated=terminated(code))])


def _observe(words: str) -> None:
    status = {
        "phase": "Failed",
        "message": words,
        "conditions": [{"type": "PodScheduled", "status": "False", "message": words}],
    }
    read_source_report(observe_pod({"metadata": {"name": "p"}, "status": status}).source)


def _read_flux(words: str) -> None:
    digest = "sha256:" + "a" * 64
    for artifact in (
        {"url": words, "digest": digest, "revision": words},
        {"url": "http://a/b", "digest": digest, "revision": words},
        {"url": words, "digest": words},
    ):
        read_artifact("Bucket", "shop", {"status": {"artifact": artifact}})
    read_artifact("Bucket", "shop", {"status": {"conditions": [{"type": "Ready", "message": words}]}})


def _parse_manifest(words: str) -> None:
    image._parse(words.encode(errors="replace"))


def _quietly(work: Callable[[str], Any], *errors: type[Exception]) -> Callable[[str], None]:
    def call(words: str) -> None:
        with suppress(*errors):
            work(words)

    return call


def _observe_containers(words: str) -> PodObservation:
    kaniko, source = terminated(1, message=words), {"reason": "CreateContainerError", "message": words}
    return pod(
        phase="Failed",
        reason="Evicted",
        message=words,
        initContainerStatuses=[container("source", waiting=source), container("mesh", terminated=kaniko)],
        containerStatuses=[container("kaniko", terminated=kaniko)],
    )


def _read_report(words: str) -> None:
    ended = ContainerObservation(state="terminated", message=Admitted(words))
    read_report(replace(_failed(0), read_back=ended), Claim("a/b", ("1",), DIGEST, ""))


def _examine(words: str) -> None:
    for begin in ("", "FROM scratch\nADD --chown=1 "):
        with suppress(NotReadableError, TooManyFilesError, OSError, ValueError):
            judge(examine(begin + words, Context(Path("/does-not-exist")), Settings(switched=False)), "warn")


def _read_artifact(words: str) -> None:
    """The form of each part of a manifest, and what a registry says instead of one."""
    layer = {"mediaType": words, "digest": words, "size": 1, "annotations": {"org.opencontainers.image.title": words}}
    for item in (layer, {**layer, "digest": DIGEST}):
        with suppress(SourceError):
            manifest.read_layers({"layers": [item], "mediaType": words})
    registry.find_challenge([words, f"Bearer {words}"])
    registry.find_words({"errors": [{"code": words, "message": words}]})


def _ignore(words: str) -> None:
    """Patterns over a short path, and one pattern over a long one."""
    is_ignored("a/b/c", read_patterns(words))
    is_ignored(words, read_patterns("a*/**/b"))


def _find_addresses(words: str) -> None:
    for begin in ("", "../", "../" + words.replace(" ", "../"), "git@host:", "ssh://git@"):
        for url in (GIT_SERVER.url, f"https://git.example/{words}"):
            with suppress(SourceError):
                submodules.find_address(f"{begin}{words}", replace(GIT_SERVER, url=url))


def _read_key(words: str) -> None:
    for begin in ("", "-----BEGIN OPENSSH PRIVATE KEY-----\n\n\n"):
        keys = {"ssh-privatekey": begin + words, "known_hosts": words}
        read_ssh_login(keys, "Secret 'x'", ignore_host_key=False)


def _in_base64(words: str) -> str:
    return base64.b64encode(words.encode(errors="replace")).decode()


BLOB: Final = "https://contoso.blob.core.windows.net/a/b"

BEHIND_THE_DOOR: Final[dict[str, Callable[[str], Any]]] = {
    "clean": text.clean,
    "clip": lambda words: text.clip(words, 1024),
    "tail": lambda words: text.tail(words, lines=20, size=2048),
    "mask_values": lambda words: mask_values(words, SECRETS),
    "mask_patterns": mask_patterns,
    "hide": lambda words: hide(words, ["Basic dXNlcjpodW50ZXIyMi1zZWNyZXQ="]),
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
    "find_answer": find_answer,
    "find_denied_address": find_denied_address,
    "find_missing_image": find_missing_image,
    "what a read-back reports": _read_report,
    "a kubelet's words": lambda words: classify_failure(_observe_containers(words), NOTHING),
    "the source's warnings": lambda words: sourceconditions._list((Admitted(words), Admitted(words))),
    "read_source_report": lambda words: read_source_report(ContainerObservation(message=Admitted(words))),
    "the source's facts": lambda words: observation._read_facts({"message": words, "author": words}),
}
"""Functions that get text which came through the door. They are linear without it, too."""


def _body_with(words: str) -> dict[str, Any]:
    return {
        "metadata": {"name": words, "namespace": "shop", "resourceVersion": "1"},
        "spec": {"repository": words, "tags": [words]},
    }


def _page_with(words: str) -> bytes:
    return json.dumps({"items": [_body_with(words)]}).encode()


DOORS: Final[dict[str, Callable[[str], Any]]] = {
    "admit": lambda words: admit(words, SECRETS, size=len(words)),
    "admit_end": lambda words: admit_end(words, SECRETS, size=len(words)),
    "admit_line": lambda words: admit_line(words, SECRETS, size=256),
    "clip_foreign": errors.clip_foreign,
    "unreachable": lambda words: errors.unreachable("host", words),
    "distrusts_registry": lambda words: errors.distrusts_registry("host", words),
    "find_pushed_digests": lambda words: find_pushed_digests(words, "contoso.azurecr.io/shop/web"),
    "find_cache_trouble": find_cache_trouble,
    "advise_unschedulable": advise_unschedulable,
    "select_end": lambda words: select_end(words, 60),
    "observe_pod": _observe,
    "an artifact of Flux": _read_flux,
    "an event of a watch": _quietly(
        lambda words: watchstream._parse_event(
            json.dumps({"type": "ERROR", "object": {"code": 410, "message": words}}).encode()
        ),
        KubernetesError,
    ),
    "observe_pod with containers": lambda words: _observe_containers(words).digest,
    "what a node is": lambda words: can_map_users({"status": {"nodeInfo": {"kubeletVersion": words}}}),
    "what an image is": lambda words: describe_image(ReadBack({}, digest_found=True, media_type=words)),
    "how long a server wants to be left alone": lambda words: parse_retry_after({"Retry-After": words}, NOW),
    "a digest of any kind": image._ANY_DIGEST.fullmatch,
    "observe_events": lambda words: observe_events([{"message": words, "reason": words}]),
    "read_status": lambda words: read_status({"conditions": words, "phase": words, "run": words}),
    "parse_json": _quietly(parse_json, UnreadableError),
    "a refusal by the API server": lambda words: classify_refusal(403, words.encode(errors="replace"), "GET /"),
    "a refusal that is told": lambda words: explain_refusal(KubernetesError(403, "Forbidden", words)),
    "Entra ID's refusal": lambda words: entra._classify(AzureError(words), SECRET, "assertion"),
    "a credential that cannot be used": lambda words: entra._unusable(ValueError(words), SECRET),
    "a login Secret": lambda words: read_login_secret({"data": dict.fromkeys(LOGIN_KEYS, _in_base64(words))}),
    "a docker config": _quietly(lambda words: read_authorization(Page(words), "host"), ValueError),
    "a claim": _quietly(parse_claim, ValueError, KeyError, TypeError),
    "a registry's refusal": tokens._find_words,
    "a registry's tag": image._is_tag,
    "a registry's challenge": image._token_address,
    "a registry's manifest": _quietly(lambda words: image._parse(words.encode(errors="replace")), image.NotReadError),
    "a token's life": token.read_life,
    "a token's end": token.read_end,
    "what a token allows": token.read_access,
    "whether a token is of roles for repositories": token.has_repository_roles,
    "certificates": _quietly(outside._certificates_in, ssl.SSLError),
    "what git says": explain_git,
    "git's note of a fetch": lambda words: revision.read_ref(f"branch '{words}"),
    "a git server's default branch": revision.read_default_branch,
    "a git server's refs": _quietly(lambda words: read_refs(words, words[:200]), SourceError),
    "what a git server says of a commit": lambda words: gitremote._add_details(Commit("a" * 40), words),
    "what .gitmodules says": lambda words: submodules.parse_urls(
        split_settings(f"submodule.{words}.path\n{words}\0" * 2)
    ),
    "a pointer of Git LFS": _quietly(
        lambda words: parse_pointer("a", POINTER_BEGIN + words.encode(errors="replace")), SourceError
    ),
    "headers of a Git LFS server": _quietly(lambda words: read_headers({words: words}), SourceError),
    "a submodule's address": _find_addresses,
    "what ssh says": lambda words: explain_ssh(words, "Secret 'x'"),
    "what ssh says of a host key": lambda words: explain_ssh(f"{words}\nHost key verification failed.", "Secret 'x'"),
    "an ssh key": _quietly(_read_key, SourceError),
    "a git server's address": git._without_login,
    "a signature for Azure Storage": _quietly(lambda words: sign_url(BLOB, words), SourceError),
    "Azure Storage's error code": lambda words: explain_blob(403, words, BlobLogin(url=BLOB), NOW),
    "a host that a server redirects to": _quietly(refuse_odd_name, SourceError),
    "a Dockerfile": _examine,
    "a .dockerignore": _ignore,
    "an artifact of a registry": _read_artifact,
    "a condition": _quietly(lambda words: is_true(read_condition(words[:8192]), {}), ExpressionError),
    "a text with expressions": _quietly(lambda words: render(read_text(words[:8192]), {}), ExpressionError),
    "a pattern": _quietly(lambda words: matches_whole(words[:200], words), ExpressionError),
    "a duration": _quietly(lambda words: parse_duration_seconds("timeout", words), SpecInvalidError),
    "a tag": expand_tag,
    "a mirror": _quietly(lambda words: parse_mirrors("registryMirrors", (words,)), SpecInvalidError),
    "a rebuild request": wants_failed_only,
    "a resource that is kept": lambda words: keep(BUILD_KIND, _body_with(words)).unpack(),
    "a page of a list": lambda words: parse_page(_page_with(words), most_values=sys.maxsize),
    "a line of the operator's log": _without_secrets,
}
"""Functions that get a stranger's text as it is."""

ALL: Final = BEHIND_THE_DOOR | DOORS | STRANGERS


@pytest.mark.timed
@pytest.mark.parametrize("name", ALL)
def test_twice_the_text_takes_at_most_thrice_the_time(name: str) -> None:
    slow = []
    for recipe in recipes():
        try:
            check_linear(ALL[name], recipe)
        except SlowTextError as error:
            slow.append(str(error))
    assert slow == []


@pytest.mark.timed
def test_twice_the_values_of_a_pipeline_take_at_most_thrice_the_time() -> None:
    for words in WORDS:
        check_linear(import_values, ("", words, ""))


HAND_ON: Final = {
    "clients/clusterfacts.py: _read_limit",
    "clients/azure/entra.py: EntraClient._fetch_assertion",
    "clients/azure/readback.py: AcrReader.read_back",
    "clients/azure/resource_manager.py: ResourceManager._find_subscription",
    "clients/azure/resource_manager.py: ResourceManager.find_links",
    "clients/azure/tokens.py: AcrClient._post",
    "clients/git/remote.py: GitRemote.find_commit",
    "clients/flux.py: FluxClient.find_artifact",
    "clients/image.py: Image._fetch_config",
    "clients/image.py: Image._send",
    "clients/image.py: Image.fetch_digest",
    "clients/image.py: prove_image",
    "clients/kubernetes/transport.py: Transport.request",
    "clients/git/lookups.py: Lookups._note_failure",
    "handlers/answers.py: _find_cache_trouble",
    "handlers/answers.py: _read_log",
    "source/dockerfile/copying.py: _is_tar",
    "source/git/githubapp.py: _fetch_token",
    "source/git/way.py: explain_failure",
    "source/git/revision.py: _fetch",
}
"""Functions that send a request or read a file, and hand what they get on to functions that are measured."""
OUR_OWN: Final = {
    "clients/clusterfacts.py: _read_limit",  # six digits of an annotation
    "core/naming.py: former_pod_name",  # the API server bounds a name
    "handlers/workqueue/journal.py: Journal._open",  # the operator's own file
    "plugin/importing.py: _git_url",  # of the command line
    "source/git/way.py: _split_ssh",  # an address of a spec
    "source/git/way.py: split_url",
    "source/git/version.py: find_flaw",  # git's own word, when the image is built
    "source/git/version.py: find_ssh_flaw",
}


def test_every_function_that_takes_a_strangers_text_is_measured() -> None:
    def run_all() -> None:
        for work in ALL.values():
            for recipe in recipes():
                work(cook(recipe, 30))
        for words in WORDS:
            import_values(words)

    called = record_calls(run_all)
    functions = list_functions()
    measured = {name for place, name in functions.items() if place in called}
    assert len(measured) > 50
    assert set(functions.values()) - measured == HAND_ON | OUR_OWN
