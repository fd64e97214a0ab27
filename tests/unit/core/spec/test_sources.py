"""Sources that a pod could not be made with, and what a pod reads for the others."""

from dataclasses import replace
from typing import Any

import pytest

from buildandpush.api.urls import find_server
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.facts import LoginSecretRef
from buildandpush.core.pod.sourcerequest import build_source_request
from buildandpush.core.spec.noeffect import find_notes
from buildandpush.core.spec.plan import BuildPlan, parse_spec, plan_build
from buildandpush.core.spec.scope import Occasion
from tests.unit.core.factories import SETTINGS, spec


def planned(source: dict[str, Any]) -> BuildPlan:
    return plan_build(parse_spec(spec(source=source)), SETTINGS, Occasion(1))


def config_map(*paths: str) -> dict[str, Any]:
    items = [{"key": f"k{number}", "path": path} for number, path in enumerate(paths)]
    return {"configMap": {"name": "web", "items": items}}


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        (["..x/Dockerfile"], "begins with two dots"),
        (["..Dockerfile"], "begins with two dots"),
        (["a", "a/b"], "'a' is a file and the folder of 'a/b'"),
        (["a/b/c", "a-b", "a/b"], "'a/b' is a file and the folder of 'a/b/c'"),
    ],
)
def test_paths_that_the_kubelet_cannot_lay_out_are_refused(paths: list[str], words: str) -> None:
    """The API server would refuse the pod, or the pod would wait for its volume until its timeout."""
    with pytest.raises(SpecInvalidError, match="^source.configMap.items: ") as caught:
        planned(config_map(*paths))
    assert words in str(caught.value)


def test_paths_that_only_look_alike_are_taken() -> None:
    plan = planned(config_map("a", "a.b", "ab/c", "x/..y"))
    assert plan.input_keys == tuple(("ConfigMap/web", f"k{number}") for number in range(4))


BLOB = "https://contoso.blob.core.windows.net/releases/shop.tgz"


def archive(url: str = BLOB, **more: Any) -> dict[str, Any]:
    return {"archive": {"url": url, "unverified": True, **more}}


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (archive(sasSecretRef={"name": "s"}, connectorRef="acr"), "sasSecretRef and connectorRef are given"),
        (archive(headersRef={"name": "s"}, connectorRef="acr"), "headersRef and connectorRef are given"),
        (archive("https://evil.example/a", sasSecretRef={"name": "s"}), "Azure Blob Storage alone"),
        (archive("https://contoso.blob.core.windows.net.evil.example/a/b", connectorRef="acr"), "use headersRef"),
        (archive(connectorRef="<+x>"), "is no name"),
    ],
)
def test_a_login_to_azure_storage_is_one_and_goes_nowhere_else(source: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecInvalidError, match=r"^source.archive") as caught:
        planned(source)
    assert words in str(caught.value)


def test_what_azure_storage_is_read_with() -> None:
    assert planned(archive(sasSecretRef={"name": "blob"})).input_keys == (("Secret/blob", "sas"),)
    plan = planned(archive(connectorRef="account.Storage_Reader"))
    assert (plan.storage_connector_ref, plan.git_connector_ref, plan.input_keys) == ("storage-reader", "", ())
    assert plan.effective(SETTINGS).storage_connector == "storage-reader"


REF = {"credentialsRef": {"name": "git-key"}}
CA = {"caBundle": "-----BEGIN CERTIFICATE-----"}


@pytest.mark.parametrize(
    ("git", "field", "words"),
    [
        ({"url": "ssh://git@git.example/x"}, "source.git.url", "ssh needs a key"),
        ({"url": "git@git.example:x"}, "source.git.url", "ssh needs a key"),
        ({"url": "git@ssh.dev.azure.com:v3/a/b/c", "connectorRef": "acr"}, "source.git.connectorRef", "Azure Repos"),
        ({"url": "ssh://git@git.example/x", **REF, **CA}, "source.git.caBundle", "it is for https"),
        (
            {"url": "https://git.example/x", "insecureIgnoreHostKey": True},
            "source.git.insecureIgnoreHostKey",
            "for ssh",
        ),
        ({"url": "http://git.example/x", **REF}, "source.git.credentialsRef", "readable on the way"),
        ({"url": "ssh://git.example/x", **REF}, "source.git.url", "is no URL of http(s) or ssh"),
        ({"url": "git.example:x", **REF}, "source.git.url", "is no URL of http(s) or ssh"),
        ({"url": "git@-oProxyCommand=x:y", **REF}, "source.git.url", "is no URL of http(s) or ssh"),
        ({"url": "git@git.example:-x", **REF}, "source.git.url", "is no URL of http(s) or ssh"),
        ({"url": "file:///etc"}, "source.git.url", "is no URL of http(s) or ssh"),
    ],
)
def test_a_git_source_that_no_login_fits_is_refused(git: dict[str, Any], field: str, words: str) -> None:
    """Also where the CRD is older than these fields."""
    with pytest.raises(SpecInvalidError, match=f"^{field}: ") as caught:
        planned({"git": git})
    assert words in str(caught.value)


@pytest.mark.parametrize("url", ["ssh://git@git.example:2222/x.git", "git@git.example:a/b.git"])
@pytest.mark.parametrize("more", [{}, {"insecureIgnoreHostKey": True}])
def test_ssh_with_a_key_is_taken(url: str, more: dict[str, Any]) -> None:
    assert planned({"git": {"url": url, **REF, **more}}).input_keys == (("Secret/git-key", ""),)


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("https://github.com/a/b", "github.com"),
        ("https://contoso@dev.azure.com/a/b", "dev.azure.com"),
        ("http://GIT.example:8080/x", "git.example:8080"),
        ("http://[2001:db8::1]/x", "[2001:db8::1]"),
        ("ssh://git@git.example:2222/x", "git.example:2222"),
        ("git@GitHub.com:a/b.git", "github.com"),
        (" git@github.com:a/b:c@d.git", "github.com"),
        ("http://[x/y", ""),
        ("x", ""),
    ],
)
def test_the_server_of_an_address(url: str, server: str) -> None:
    assert find_server(url) == server


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("git@github.com:a/b.git", True),
        ("ssh://git@github.com:22/a/b.git", True),
        ("ssh://git@git.contoso.com:2222/a/b.git", True),
        ("git@github.com.evil.example:a/b.git", False),
        ("git@evil.example:github.com/b.git", False),
        ("ssh://git@evil.example/@github.com/b.git", False),
    ],
)
def test_over_ssh_too_the_installer_says_which_servers_are_asked(url: str, allowed: bool) -> None:
    settings = replace(SETTINGS, git_hosts=("github.com", "*.contoso.com"))
    asked = parse_spec(spec(source={"git": {"url": url, **REF}}))
    if allowed:
        assert plan_build(asked, settings, Occasion(1)).source.git is not None
        return
    with pytest.raises(SpecInvalidError, match="allows no git server but github"):
        plan_build(asked, settings, Occasion(1))


@pytest.mark.proves("source.upload.timeout")
@pytest.mark.parametrize(
    ("upload", "more", "seconds"),
    [
        ({}, {}, 600),
        ({}, {"timeout": "5m"}, 299),
        ({"timeout": "90s"}, {}, 90),
        ({"timeout": "2h"}, {"timeout": "3h"}, 7200),
    ],
)
def test_how_long_an_upload_is_waited_for(upload: dict[str, Any], more: dict[str, Any], seconds: int) -> None:
    """And nobody would send it again to another pod."""
    parsed = parse_spec(spec(source={"upload": upload}, retries=3, **more))
    plan = plan_build(parsed, SETTINGS, Occasion(1))
    assert (plan.upload_seconds, plan.retries, plan.effective(SETTINGS).upload) == (seconds, 0, True)
    request = build_source_request(plan, LoginSecretRef(None), SETTINGS)
    assert request["upload"] == {"timeoutSeconds": seconds, "dockerfile": "Dockerfile", "context": "."}
    assert "retries: an upload counts for one attempt" in "".join(find_notes(parsed))


@pytest.mark.parametrize(("timeout", "words"), [("1h", "no shorter than timeout"), ("soon", "is no duration")])
def test_a_wait_for_an_upload_that_cannot_be_is_refused(timeout: str, words: str) -> None:
    with pytest.raises(SpecInvalidError, match=r"^source.upload.timeout: ") as caught:
        planned({"upload": {"timeout": timeout}})
    assert words in str(caught.value)


def test_the_pod_reads_the_login_of_its_source() -> None:
    plan = planned({"git": {"url": "https://git.example/x.git", "credentialsRef": {"name": "git-login"}}})
    assert plan.input_keys == (("Secret/git-login", ""),)


def git_source(**more: Any) -> dict[str, Any]:
    return {"git": {"url": "https://git.example/x.git", **more}}


@pytest.mark.parametrize(
    "revision",
    [
        "main", "feature/x", "fix#1", "a(b)", "über", "日本", "c++", "user@host", "v1.0-rc.1", "refs/pull/7/head",
        "HEAD", "a" * 40, "a" * 64, "1a2b3c4", "it's", '"x"', "$(x)", "a,b;c|d&e", "x.lock.y", "",
    ],
)  # fmt: skip
def test_every_name_that_git_allows_is_a_revision(revision: str) -> None:
    planned(git_source(revision=revision))


@pytest.mark.parametrize(
    "revision",
    [
        "-x", "--upload-pack=x", "+main", "^main", "a:b", ":x", "a b", "a~1", "a^", "a*", "a?", "a[b", "a\\b", "a..b",
        "@", "@{u}", "main@{1}", "/a", "a/", "a//b", ".a", "a/.b", "a.", "a.lock", "a.lock/b", "a\tb", "a\nb",
        "a\x7f", "a\n", "a\0",
    ],
)  # fmt: skip
def test_what_git_takes_for_something_else_is_no_revision(revision: str) -> None:
    with pytest.raises(SpecInvalidError, match="^source.git.revision: .* is no name that git allows"):
        planned(git_source(revision=revision))


@pytest.mark.parametrize("more", [{"depth": -1}, {"depth": 1_000_001}])
def test_a_history_has_a_depth(more: dict[str, Any]) -> None:
    with pytest.raises(SpecInvalidError, match="source.git.depth"):
        planned(git_source(**more))


@pytest.mark.parametrize(
    "paths", [["/"], ["."], ["./"], ["/harness"], ["/web"], ["a/../b"], [".."], ["https://x/a"], ["a\nb"]]
)
def test_what_is_no_folder_is_no_path_to_fetch(paths: list[str]) -> None:
    with pytest.raises(SpecInvalidError, match="^source.git.paths: "):
        planned(git_source(paths=paths))


@pytest.mark.parametrize(
    ("dockerfile", "context", "paths", "left_out"),
    [
        ("Dockerfile", ".", ["web"], ""),
        ("web/Dockerfile", "web", ["web"], ""),
        ("web/Dockerfile", ".", ["web", "libs/"], ""),
        ("web/docker/Dockerfile", "web", ["web"], ""),
        ("web/Dockerfile", "web", ["web/src"], ""),
        ("docker/Dockerfile", ".", ["web"], "'docker', the folder of dockerfile"),
        ("Dockerfile", "api", ["web"], "'api', the folder of context"),
        ("Dockerfile", "we", ["web"], "'we', the folder of context"),
        ("Dockerfile", "web-api", ["web"], "'web-api', the folder of context"),
    ],
)
def test_what_is_built_has_to_be_fetched(dockerfile: str, context: str, paths: list[str], left_out: str) -> None:
    build = parse_spec(spec(source=git_source(paths=paths), dockerfile=dockerfile, context=context))
    if not left_out:
        plan_build(build, SETTINGS, Occasion(1))
        return
    with pytest.raises(SpecInvalidError, match="^source.git.paths: they leave out ") as caught:
        plan_build(build, SETTINGS, Occasion(1))
    assert left_out in str(caught.value)
    assert "add it" in str(caught.value)
