"""A repository over ssh: its key, the server's key, and a Secret that is corrected step by step."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from devcluster.machine.packages import ensure_ssh_server
from devcluster.settings import Settings
from tests.e2e.harness.api import Api, Object
from tests.e2e.harness.build import FROM
from tests.e2e.harness.fixtures import BuildFactory
from tests.e2e.harness.gitserver import commit, git
from tests.e2e.harness.sshserver import KeyPair, SshServer, make_key, serve_ssh

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("login")]

PASSPHRASE = "correct horse battery"


@dataclass(frozen=True)
class Private:
    """A repository that two keys may read, one of them locked."""

    server: SshServer
    url: str
    commit: str
    locked_key: KeyPair


@pytest.fixture(scope="module")
def private(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Private]:
    work = tmp_path_factory.mktemp("git")
    git(work, "init", "--quiet", "--initial-branch=trunk")
    files = {"Dockerfile": f"{FROM}COPY Dockerfile /Dockerfile\n", "Dockerfile.user": f"{FROM}ENV GREETING=hello\n"}
    made = commit(work, "first", files)
    locked = make_key(PASSPHRASE)
    with serve_ssh(ensure_ssh_server(settings), settings.network.gateway, (make_key(), locked)) as (server, folder):
        git(work, "clone", "--quiet", "--bare", ".", str(folder / "my shop.git"))
        yield Private(server, server.url(f"{folder}/my%20shop.git"), made, locked)


def apply_key(api: Api, namespace: str, **keys: str) -> None:
    metadata = {"name": "git-key", "namespace": namespace}
    api.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": keys})


def source(private: Private, **more: object) -> Object:
    return {"git": {"url": private.url, "credentialsRef": {"name": "git-key"}, **more}}


def test_a_repository_is_built_once_the_key_and_the_servers_key_are_right(
    api: Api, namespace: str, make_build: BuildFactory, private: Private
) -> None:
    server, other = private.server, make_key()
    apply_key(api, namespace, **{"ssh-privatekey": other.private})
    build = make_build(source=source(private))
    message = build.wait_failed("SourceHostKey").build["message"]
    assert "Secret 'git-key' has no known_hosts" in message
    assert "ssh-keyscan" in message
    apply_key(api, namespace, **{"ssh-privatekey": other.private}, known_hosts=server.known_hosts(other))
    build.touch()
    message = build.wait_failed("SourceHostKey", run=2).build["message"]
    assert f"[{server.address}]:{server.port} shows the host key ssh-ed25519 SHA256:" in message
    assert "known_hosts in Secret 'git-key' names another one" in message
    apply_key(api, namespace, **{"ssh-privatekey": other.private}, known_hosts=server.known_hosts())
    build.touch()
    denied = build.wait_failed("SourceDenied", run=3)
    assert (
        "Permission denied (publickey); the server does not take the key in Secret 'git-key'" in denied.build["message"]
    )
    apply_key(api, namespace, **{"ssh-privatekey": server.user_key.private}, known_hosts=server.known_hosts())
    build.touch()
    ended = build.wait_succeeded(run=4)
    assert ended.run["source"]["commit"] == private.commit
    pods = api.list("Pod", namespace)
    mounts = [mount for pod in pods for item in pod["spec"]["containers"] for mount in item["volumeMounts"]]
    assert mounts
    assert not [mount for mount in mounts if mount["name"] == "git-login"]
    secret = server.user_key.private.splitlines()[2]
    told = [json.dumps(item) for kind in ("Pod", "Event", "BuildAndPushACR") for item in api.list(kind, namespace)]
    told += [api.log(namespace, pod["metadata"]["name"], "source") for pod in pods]
    assert not [text for text in told if secret in text]


@pytest.mark.proves("source.git.insecureIgnoreHostKey")
def test_a_locked_key_of_flux_is_used_by_a_user_that_no_image_knows(
    api: Api, namespace: str, make_build: BuildFactory, private: Private
) -> None:
    """Without a last line end, with Windows ones, and for a server that nobody knows."""
    key = private.locked_key.private.strip().replace("\n", "\r\n")
    apply_key(api, namespace, identity=key, password=PASSPHRASE)
    spec = source(private, insecureIgnoreHostKey=True)
    ended = make_build(source=spec, dockerfile="Dockerfile.user", runAsUser="12345").wait_succeeded()
    assert ended.run["source"]["commit"] == private.commit
