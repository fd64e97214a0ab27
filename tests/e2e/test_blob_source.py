"""An archive in Azure Blob Storage: by a connector's identity and by a signature, and what Azure refuses."""

import hashlib
import io
import json
import subprocess
import tarfile
from datetime import timedelta

import pytest

from devcluster.settings import Settings
from tests.e2e.harness.api import Api
from tests.e2e.harness.azure import BASE_HOST, Azure
from tests.e2e.harness.build import FROM
from tests.e2e.harness.fixtures import BuildFactory, ConnectorFactory

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("login")]

BLOB = "releases/shop.tar.zst"


def make_archive() -> bytes:
    written = io.BytesIO()
    dockerfile = f"{FROM}COPY Dockerfile /Dockerfile\n".encode()
    with tarfile.open(fileobj=written, mode="w") as archive:
        info = tarfile.TarInfo("shop-1.4.2/Dockerfile")
        info.size = len(dockerfile)
        archive.addfile(info, io.BytesIO(dockerfile))
    return subprocess.run(["zstd", "--quiet"], input=written.getvalue(), check=True, capture_output=True).stdout


@pytest.mark.proves("source.archive.connectorRef", "source.archive.url")
def test_a_connectors_identity_reads_a_blob_once_it_has_the_role(
    azure: Azure, make_build: BuildFactory, make_connector: ConnectorFactory, settings: Settings
) -> None:
    content = make_archive()
    account, host = azure.make_account({BLOB: content}), azure.make_registry()
    identity = azure.make_identity(("AcrPush", host), ("Reader", account.host))
    make_connector(identity, host, BASE_HOST, name="both")
    archive = {
        "url": f"https://{account.host}/{BLOB}",
        "sha256": hashlib.sha256(content).hexdigest(),
        "stripComponents": 1,
        "connectorRef": "both",
        "caBundle": settings.ca_certificate.read_text(),
    }
    build = make_build(connectorRef="both", repository=f"{host}/web", source={"archive": archive})
    denied = build.wait_failed("SourceDenied")
    assert "403 AuthorizationPermissionMismatch" in denied.build["message"]
    assert "Storage Blob Data Reader" in denied.build["message"]
    azure.set_identity(identity, ("AcrPush", host), ("StorageBlobDataReader", f"{account.host}/releases"))
    annotations = {"buildandpush.dev/rebuild": "the-role-is-there"}
    build.api.patch("BuildAndPushACR", build.name, build.namespace, {"metadata": {"annotations": annotations}})
    ended = build.wait_succeeded(run=2)
    assert ended.run["source"]["digest"] == f"sha256:{archive['sha256']}"
    asked = azure.requests(kind="storage", host=account.host)
    assert [(item["status"], item["principal"]) for item in asked] == [(403, ""), (200, identity.client_id)]
    kanikos = [item for pod in build.pods() for item in pod["spec"]["containers"] if item["name"] == "kaniko"]
    assert len(kanikos) == 2
    assert not [item for item in kanikos if "storage-login" in {mount["name"] for mount in item["volumeMounts"]}]


@pytest.mark.proves("source.archive.sasSecretRef.name")
def test_a_signature_reads_a_blob_until_it_ends(
    api: Api, namespace: str, azure: Azure, make_build: BuildFactory, settings: Settings
) -> None:
    content = make_archive()
    account = azure.make_account({BLOB: content})
    ended, living = azure.sign_blob(account, BLOB, ends_in=timedelta(hours=-1)), azure.sign_blob(account, BLOB)

    def apply_signature(sas: str) -> None:
        metadata = {"name": "blob-sas", "namespace": namespace}
        api.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"sas": sas}})

    archive = {
        "url": f"https://{account.host}/{BLOB}",
        "sha256": hashlib.sha256(content).hexdigest(),
        "stripComponents": 1,
        "sasSecretRef": {"name": "blob-sas"},
        "caBundle": settings.ca_certificate.read_text(),
    }
    build = make_build(source={"archive": archive})
    build.wait_reason("SecretMissing")
    apply_signature(ended)
    denied = build.wait_failed("SourceDenied")
    assert "403 AuthenticationFailed: the signature ended at" in denied.build["message"]
    apply_signature(f"?{living}")
    build.touch()
    build.wait_succeeded(run=2)
    told = [json.dumps(item) for kind in ("Pod", "Event", "BuildAndPushACR") for item in api.list(kind, namespace)]
    told += [api.log(namespace, pod["metadata"]["name"], "source") for pod in api.list("Pod", namespace)]
    assert not [text for text in told if "sig=" in text]
