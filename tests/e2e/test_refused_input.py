"""Bad input that the API server refuses at once, in words that name the field, the value and the remedy."""

from typing import Any

import pytest

from tests.e2e.harness.api import CONNECTOR, GROUP_VERSION, Api, ApiError, Object
from tests.e2e.harness.build import build_manifest

pytestmark = pytest.mark.e2e

_INLINE = {"files": {"Dockerfile": "FROM scratch\n"}}
_BLOB = "https://contoso.blob.core.windows.net/releases/shop.tgz"
_GIT = {"url": "https://github.com/contoso/shop.git"}
_REMEDY = "write <registry>.azurecr.io/<image>"


def _git(url: str, **more: Any) -> Object:
    return {"source": {"git": {"url": url, **more}}}


def _archive(url: str, **more: Any) -> Object:
    return {"source": {"archive": {"url": url, "unverified": True, **more}}}


CASES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "repository without registry": (
        {"repository": "shop/web"},
        ["spec.repository", '"shop/web" names no registry', _REMEDY],
    ),
    "repository without image": (
        {"repository": "demo.azurecr.io"},
        ["spec.repository", '"demo.azurecr.io" names no image', _REMEDY],
    ),
    "repository without image, at a port": (
        {"repository": "registry.example:5000"},
        ["spec.repository", '"registry.example:5000" names no image', _REMEDY],
    ),
    "repository of Docker Hub with a tag": (
        {"repository": "nginx:1.27"},
        ["spec.repository", '"nginx:1.27" names no registry', _REMEDY],
    ),
    "repository in upper case": (
        {"repository": "demo.azurecr.io/Shop"},
        ["spec.repository", '"demo.azurecr.io/Shop" has upper case letters', 'write "demo.azurecr.io/shop"'],
    ),
    "repository with a tag": (
        {"repository": "demo.azurecr.io/shop:v1"},
        ["spec.repository", '"demo.azurecr.io/shop:v1" holds a tag or digest', "put tags under tags"],
    ),
    "repository with a digest": (
        {"repository": "demo.azurecr.io/shop@sha256:12"},
        ["spec.repository", "holds a tag or digest", "put tags under tags"],
    ),
    "repository with an @ and an expression, without registry": (
        {"repository": "shop@v<+pipeline.sequenceId>"},
        ["spec.repository", "holds an @", "tags under tags"],
    ),
    "repository with a digest of another kind": (
        {"repository": "demo.azurecr.io/shop@sha512:12"},
        ["spec.repository", "holds an @", "tags under tags"],
    ),
    "repository with a scheme": (
        {"repository": "https://demo.azurecr.io/shop"},
        ["spec.repository", "write <registry>"],
    ),
    "repository with a blank": ({"repository": "demo.azurecr.io/my shop"}, ["spec.repository", "is no image name"]),
    "repository of one character": (
        {"repository": "demo.azurecr.io/w"},
        ["spec.repository", '"demo.azurecr.io/w" has an image name of one character or', "kaniko takes 2 to 255"],
    ),
    "repository of 256 characters": (
        {"repository": f"demo.azurecr.io/{'w' * 256}"},
        ["spec.repository", "has an image name of one character or", "kaniko takes 2 to 255"],
    ),
    "repository empty": ({"repository": ""}, ["spec.repository"]),
    "repository missing": ({"repository": None}, ["spec.repository", "Required value"]),
    "tag with a slash": ({"tags": ["a/b"]}, ["spec.tags[0]", '"a/b" is no tag', "use up to 128 letters"]),
    "tag with a dash first": ({"tags": ["ok", "-x"]}, ["spec.tags[1]", '"-x" is no tag', "the first a letter"]),
    "tag of 129 letters": ({"tags": ["x" * 129]}, ["spec.tags[0]", "is no tag", "use up to 128"]),
    "registry with an expression": (
        {"repository": "<+codebase.branch>.azurecr.io/shop/web"},
        ["spec.repository", "has an expression in the registry"],
    ),
    "duplicate tag": ({"tags": ["a", "b", "a"]}, ["spec.tags", '"a" is given twice']),
    "no tags": ({"tags": []}, ["tags: there is none", "give at least one tag"]),
    "tags missing": ({"tags": None}, ["tags: there is none", "give at least one tag"]),
    "two sources": (
        {"source": {"git": _GIT, "inline": _INLINE}},
        ["spec.source", "give exactly one of git, inline"],
    ),
    "no source": ({"source": {}}, ["spec.source", "give exactly one of git, inline"]),
    "source missing": ({"source": None}, ["spec.source", "Required value"]),
    "connectorRef missing": ({"connectorRef": None}, ["connectorRef: it is missing", "name the AzureConnector"]),
    "memory in words": (
        {"resources": {"limits": {"memory": "lots"}}},
        ["spec.resources.limits.memory", '"lots"', "should match"],
    ),
    "memory as an object": ({"resources": {"limits": {"memory": {"size": "1Gi"}}}}, ["spec.resources.limits.memory"]),
    "cpu negative": ({"resources": {"limits": {"cpu": "-1"}}}, ["spec.resources.limits.cpu", '"-1"']),
    "dockerfile climbs out": (
        {"dockerfile": "../Dockerfile"},
        ["spec.dockerfile", '"../Dockerfile" climbs out with ..', "give a path inside source"],
    ),
    "dockerfile climbs out in the middle": ({"dockerfile": "a/../../b"}, ["spec.dockerfile", "climbs out with .."]),
    "dockerfile absolute": (
        {"dockerfile": "/etc/passwd"},
        ["spec.dockerfile", '"/etc/passwd" is absolute', "relative to the root of source"],
    ),
    "dockerfile beside the workspace": ({"dockerfile": "/harness2/x"}, ["spec.dockerfile", "is absolute"]),
    "dockerfile with a scheme": (
        {"dockerfile": "https://example.com/Dockerfile"},
        ["spec.dockerfile", "is a URL", "relative to the root of source"],
    ),
    "context climbs out": ({"context": "web/.."}, ["spec.context", '"web/.." climbs out with ..']),
    "context absolute": ({"context": "/"}, ["spec.context", '"/" is absolute']),
    "context with a scheme": ({"context": "git://github.com/x"}, ["spec.context", "is a URL"]),
    "timeout in words": ({"timeout": "soon"}, ["spec.timeout", '"soon" is no duration', "write for example 90s"]),
    "timeout without unit": ({"timeout": "90"}, ["spec.timeout", '"90" is no duration']),
    "git url with a login": (
        _git("https://user:pw@github.com/x.git"),
        ["spec.source.git.url", "must not hold a user name or password"],
    ),
    "git url with a user of another host": (
        _git("https://token@github.com/x.git"),
        ["spec.source.git.url", "put them into a Secret and name it in source.git.credentialsRef"],
    ),
    "git login over http": (
        _git("http://git.example/x.git", credentialsRef={"name": "git-login"}),
        ["source.git.credentialsRef needs an https:// url, or one of ssh"],
    ),
    "git login of a connector elsewhere": (
        _git("https://github.com/x.git", connectorRef="acr"),
        ["source.git.connectorRef logs in to Azure Repos alone", "for other servers use credentialsRef"],
    ),
    "git login of a connector at a look-alike": (
        _git("https://dev.azure.com.evil.test/x.git", connectorRef="acr"),
        ["source.git.connectorRef logs in to Azure Repos alone"],
    ),
    "two git logins": (
        _git("https://dev.azure.com/a/b/_git/c", connectorRef="acr", credentialsRef={"name": "x"}),
        ["source.git has credentialsRef and connectorRef; give one of them"],
    ),
    "git certificate that is none": (
        _git("https://git.example/x.git", caBundle="MIIB"),
        ["spec.source.git.caBundle", "must hold certificates in PEM form"],
    ),
    "git url over ssh without a key": (
        _git("ssh://git@github.com/x.git"),
        ["spec.source.git", "needs a key", "name the Secret with ssh-privatekey and known_hosts"],
    ),
    "git url in scp form without a key": (_git("git@github.com:x/y.git"), ["spec.source.git", "needs a key"]),
    "git url over ssh without a user": (
        _git("ssh://github.com/x.git", credentialsRef={"name": "x"}),
        ["spec.source.git.url", "is no URL of http(s) or ssh", "ssh://git@<host>/<path>"],
    ),
    "git url over ssh with a password": (
        _git("ssh://git:pw@github.com/x.git", credentialsRef={"name": "x"}),
        ["spec.source.git.url", "is no URL of http(s) or ssh"],
    ),
    "git host that is an option": (
        _git("git@-oProxyCommand=x:y", credentialsRef={"name": "x"}),
        ["spec.source.git.url", "is no URL of http(s) or ssh"],
    ),
    "git path that is an option": (
        _git("git@github.com:-x", credentialsRef={"name": "x"}),
        ["spec.source.git.url", "is no URL of http(s) or ssh"],
    ),
    "git url over ssh with a connector": (
        _git("git@ssh.dev.azure.com:v3/a/b/c", connectorRef="acr"),
        ["source.git.connectorRef logs in to Azure Repos alone"],
    ),
    "git url over ssh with certificates": (
        _git("ssh://git@git.example/x.git", credentialsRef={"name": "x"}, caBundle="-----BEGIN CERTIFICATE-----\n"),
        ["source.git.caBundle is for https", "put known_hosts into the Secret"],
    ),
    "git host key over https": (
        _git("https://git.example/x.git", insecureIgnoreHostKey=True),
        ["source.git.insecureIgnoreHostKey is for ssh"],
    ),
    "git url of a file": (_git("file:///etc"), ["spec.source.git.url", "is no URL of http(s) or ssh"]),
    "git revision that is an option": (
        _git("https://github.com/x.git", revision="--upload-pack=x"),
        ["spec.source.git.revision", '"--upload-pack=x" is no name that git allows'],
    ),
    "archive over http": (
        {"source": {"archive": {"url": "http://example.com/x.tgz", "unverified": True}}},
        ["spec.source.archive.url", "must begin with https://"],
    ),
    "archive without a checksum": (
        {"source": {"archive": {"url": "https://example.com/x.tgz"}}},
        ["source.archive: give the archive's sha256, or unverified: true"],
    ),
    "archive with certificates that are none": (
        {"source": {"archive": {"url": "https://example.com/x.tgz", "unverified": True, "caBundle": "MIIB"}}},
        ["spec.source.archive.caBundle", "must hold certificates in PEM form"],
    ),
    "archive with two logins": (
        {"source": {"archive": {"url": _BLOB, "unverified": True, "sasSecretRef": {"name": "s"}, "connectorRef": "a"}}},
        ["source.archive has several of headersRef, sasSecretRef and connectorRef"],
    ),
    "archive elsewhere with the login of a connector": (
        {"source": {"archive": {"url": "https://x.example/a/b", "unverified": True, "connectorRef": "acr"}}},
        ["are logins to Azure Blob Storage alone", "for other servers use headersRef"],
    ),
    "archive with a signature in its address": (
        {"source": {"archive": {"url": "https://x.blob.core.windows.net/a/b.tgz?sv=1&sig=x", "unverified": True}}},
        ["must not hold a signature or token", "name it in source.archive.headersRef, or sasSecretRef"],
    ),
    "archive with a token in its address": (
        {"source": {"archive": {"url": "https://gitlab.example/a.tgz?Private_Token=x", "unverified": True}}},
        ["must not hold a signature or token", "name it in source.archive.headersRef, or sasSecretRef"],
    ),
    "artifact as a URL": (
        {"source": {"oci": {"image": "oci://demo.azurecr.io/source:v1"}}},
        ["spec.source.oci.image", "not a URL; leave out oci://"],
    ),
    "artifact without a registry": (
        {"source": {"oci": {"image": "source/shop:v1"}}},
        ["spec.source.oci.image", '"source/shop:v1" names no registry; write <registry>.azurecr.io/<path>:<tag>'],
    ),
    "artifact without a tag": (
        {"source": {"oci": {"image": "demo.azurecr.io/source/shop"}}},
        ["spec.source.oci.image", '"demo.azurecr.io/source/shop" is no name with a tag or digest; write <registry>/'],
    ),
    "artifact with half a digest": (
        {"source": {"oci": {"image": "demo.azurecr.io/source/shop@sha256:12"}}},
        ["spec.source.oci.image", "is no name with a tag or digest"],
    ),
    "runAsUser by name": ({"runAsUser": "root"}, ["spec.runAsUser", '"root"']),
    "retries negative": ({"retries": -1}, ["spec.retries", "-1", "greater than or equal to 0"]),
    "onChange unknown": ({"onChange": "Ignore"}, ["spec.onChange", '"Ignore"', '"Replace", "Queue"']),
    "firstRunNumber 0": ({"firstRunNumber": 0}, ["spec.firstRunNumber", "0 is neither a number from 1", "nor Auto"]),
    "firstRunNumber in words": (
        {"firstRunNumber": "next"},
        ["spec.firstRunNumber", "next is neither a number from 1", "nor Auto"],
    ),
    "firstRunNumber in quotes": ({"firstRunNumber": "7"}, ["spec.firstRunNumber", "7 is neither a number"]),
    "parallelism of too many builds": (
        {"strategy": {"parallelism": 65}},
        ["spec.strategy.parallelism", "parallelism: 65 is none; write a number from 1 to 64"],
    ),
    "repeat in words": (
        {"strategy": {"repeat": {"times": "two"}}},
        ["spec.strategy.repeat.times", "times: two is none; write a number from 1 to 64"],
    ),
    "two strategies": (
        {"strategy": {"parallelism": 2, "matrix": {"a": ["1"]}}},
        ["spec.strategy", "give exactly one of matrix, repeat and parallelism"],
    ),
    "target of two stages": ({"target": "a,b"}, ["spec.target", '"a,b" is no name of a stage', "name one stage"]),
    "subscription with a path": (
        {"subscriptionId": "x/resourceGroups/y"},
        ["spec.subscriptionId", '"x/resourceGroups/y" is more than a subscription', "give its id or name"],
    ),
    "build argument of 5000 characters": (
        {"buildArgs": {"CA": "x" * 5000}},
        ["spec.buildArgs", "more than 4096 characters", "ConfigMap", "buildArgsFrom"],
    ),
    "unknown field": ({"tag": "v1"}, ['unknown field "spec.tag"']),
    "unknown field deep down": (
        {"resources": {"limits": {"disk": "1Gi"}}},
        ['unknown field "spec.resources.limits.disk"'],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_bad_field_is_refused_with_field_value_and_remedy(api: Api, case: str) -> None:
    spec, words = CASES[case]
    message = _refusal(api, build_manifest("default", "bad", spec))
    assert [word for word in words if word not in message] == [], message


_LOGIN = "hunter22"
_KEY = f"-----BEGIN PRIVATE KEY-----\n{_LOGIN}\n-----END PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param(_git(f"https://user:{_LOGIN}@github.com/x.git"), id="git-url"),
        pytest.param(_git(f"ftp://user:{_LOGIN}@github.com/x.git"), id="git-url-of-no-scheme-that-it-knows"),
        pytest.param(_git("https://github.com/x.git", caBundle=_KEY), id="git-key-for-certificates"),
        pytest.param(_archive(f"https://user:{_LOGIN}@files.example/x.tgz"), id="archive-url"),
        pytest.param(_archive(f"https://files.example/x.tgz?sig={_LOGIN}"), id="archive-signed-url"),
        pytest.param(_archive(f"http://files.example/x.tgz?sig={_LOGIN}"), id="archive-url-over-http"),
        pytest.param(_archive("https://files.example/x.tgz", caBundle=_KEY), id="archive-key-for-certificates"),
        pytest.param({"source": {"oci": {"image": f"https://user:{_LOGIN}@demo.azurecr.io/x:v1"}}}, id="oci-url"),
        pytest.param({"source": {"oci": {"image": f"user:{_LOGIN}@demo.azurecr.io/x:v1"}}}, id="oci-login"),
        pytest.param(_git("https://github.com/x.git", paths=[f"https://user:{_LOGIN}@x/y"]), id="git-paths-url"),
        pytest.param({"repository": f"https://user:{_LOGIN}@demo.azurecr.io/shop"}, id="repository-url"),
        pytest.param({"repository": f"user:{_LOGIN}@demo.azurecr.io/shop:v1"}, id="repository-login"),
        pytest.param({"dockerfile": f"https://user:{_LOGIN}@x/../Dockerfile"}, id="dockerfile-url"),
        pytest.param({"context": f"git://{_LOGIN}@github.com/x.git"}, id="context-url"),
        pytest.param({"envDockerSecrets": {"TOKEN": _LOGIN}}, id="build-secret"),
        pytest.param({"fileDockerSecrets": {"TOKEN": f"a {_LOGIN}"}}, id="build-secret-file"),
        pytest.param({"envVariables": {"DOCKER_PASSWORD": _LOGIN}}, id="flag-that-is-a-login"),
        pytest.param({"envVariables": {"PLUGIN_SSH_AGENT_KEY": _KEY}}, id="flag-that-is-a-key"),
    ],
)
def test_what_may_be_a_login_is_not_repeated_in_the_answer(api: Api, spec: Object) -> None:
    """From Kubernetes 1.35 on the API server adds the value of a field to what a rule says of it."""
    assert _LOGIN not in _refusal(api, build_manifest("default", "bad", spec))


def test_a_name_too_long_for_a_pods_label_is_refused(api: Api) -> None:
    message = _refusal(api, build_manifest("default", "n" * 64, {}))
    assert "metadata.name must have at most 63 characters" in message


def test_the_good_resource_behind_these_cases_is_accepted(api: Api) -> None:
    """Otherwise the table above would prove nothing."""
    api.create(build_manifest("default", "n" * 63, {}), dry_run=True)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"registries": ["https://demo.azurecr.io"]}, ["spec.registries[0]", "is no host"], id="URL"),
        pytest.param({"registries": []}, ["registries is missing", "registryCredentials"], id="no registries"),
        pytest.param({"registries": ["a.io", "a.io"]}, ["spec.registries[1]", "Duplicate value"], id="twice"),
        pytest.param({"caBundle": "/etc/ssl/ca.crt"}, ["spec.caBundle", "PEM form"], id="path as CA"),
        pytest.param({"registryCredentials": None}, ["exactly one of servicePrincipal"], id="no login"),
        pytest.param({"managedIdentity": {}}, ["exactly one of servicePrincipal"], id="two logins"),
        pytest.param(
            {"registryCredentials": None, "servicePrincipal": {"tenantId": "t", "clientId": "me"}},
            ['clientId: "me"', "is no GUID"],
            id="no GUID",
        ),
        pytest.param({"cloud": "Custom"}, ["customCloud goes with cloud: Custom"], id="custom cloud without hosts"),
        pytest.param({"cloud": "AzureMoon"}, ["spec.cloud", "AzurePublic"], id="no such cloud"),
        pytest.param({"loginScope": "Repository"}, ["loginScope"], id="scope without identity"),
    ],
)
def test_a_bad_connector_is_refused_with_field_and_remedy(api: Api, changes: Object, words: list[str]) -> None:
    message = _refusal(api, _connector(changes))
    assert [word for word in words if word not in message] == [], message


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"registries": [f"https://user:{_LOGIN}@demo.azurecr.io"]}, id="registry"),
        pytest.param({"allowedRegistries": [f"user:{_LOGIN}@demo.azurecr.io"]}, id="allowed-registry"),
        pytest.param({"registryCredentials": {"secretRef": {"name": f"{_LOGIN}~Q"}}}, id="name-of-the-secret"),
        pytest.param(
            {
                "registryCredentials": None,
                "servicePrincipal": {
                    "tenantId": "t",
                    "clientId": "00000000-0000-0000-0000-000000000000",
                    "secretRef": {"name": "s", "key": f"{_LOGIN}~Q"},
                },
            },
            id="key-of-the-secret",
        ),
    ],
)
def test_what_may_be_a_login_in_a_connector_is_not_repeated(api: Api, changes: Object) -> None:
    assert _LOGIN not in _refusal(api, _connector(changes))


def _connector(changes: Object) -> Object:
    spec = {"registryCredentials": {"secretRef": {"name": "s"}}, "registries": ["demo.azurecr.io"], **changes}
    spec = {key: value for key, value in spec.items() if value is not None}
    metadata = {"name": "bad", "namespace": "default"}
    return {"apiVersion": GROUP_VERSION, "kind": CONNECTOR, "metadata": metadata, "spec": spec}


def _refusal(api: Api, manifest: Object) -> str:
    with pytest.raises(ApiError) as caught:
        api.create(manifest, dry_run=True)
    assert caught.value.status in (400, 422)
    return caught.value.message
