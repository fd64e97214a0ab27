"""Artifacts of a registry: every digest compared, the login sent to the registry alone, and refusals in its words."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from buildandpush.api.reasons import Reason
from buildandpush.api.sourcelimits import USUAL_LIMITS, SourceLimits
from buildandpush.source.facts import SourceFacts
from buildandpush.source.network import connection
from buildandpush.source.oci.fetch import fetch_oci
from buildandpush.source.report import SourceError
from tests.artifacts import (
    FLUX,
    LAYER,
    TITLE,
    Artifact,
    link,
    make_artifact,
    make_index,
    make_tar,
    push_by_flux,
    push_by_oras,
)
from tests.unit.source.oci.fake_registry import HOST, PATH, FakeRegistry, serve_registry
from tests.webserver import Certificate, make_certificate

NULL_GUID = "00000000-0000-0000-0000-000000000000"
FILES = {"Dockerfile": b"FROM scratch\n", "web/app.py": b"print()\n"}
SECRET = "hunter22-refresh"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("pki"), f"DNS:{HOST},DNS:auth.invalid")


@pytest.fixture
def registry(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRegistry]:
    """The registry; every host is this machine, since no test may leave it."""
    monkeypatch.setattr(connection, "resolve_host", lambda *_: ["127.0.0.1"])
    with serve_registry(certificate) as running:
        yield running


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


@pytest.fixture
def certificates(certificate: Certificate, tmp_path: Path) -> Path:
    folder = tmp_path / "certificates"
    folder.mkdir()
    (folder / "ca.crt").write_text(certificate.certificate.read_text())
    return folder


@pytest.fixture
def fetched(root: Path, certificates: Path, tmp_path: Path) -> Any:
    """Fetches by name, with the login of a docker config's entry; gives back the facts."""

    def fetch(
        image: str, entry: dict[str, str] | None = None, limits: SourceLimits = USUAL_LIMITS, **more: str
    ) -> SourceFacts:
        if entry is not None:
            auths = {image.split("/", 1)[0]: entry}
            (tmp_path / "config.json").write_text(json.dumps({"auths": auths}))
        return fetch_oci({"image": image, "caFile": "ca.crt", **more}, root, limits, tmp_path, certificates)

    return fetch


def files_of(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def auth(user: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def refused(fetched: Any, image: str, entry: dict[str, str] | None = None, **more: Any) -> SourceError:
    with pytest.raises(SourceError) as caught:
        fetched(image, entry, **more)
    return caught.value


# ---- what is unpacked


@pytest.mark.parametrize(
    "artifact",
    [
        push_by_flux(FILES),
        push_by_oras({"Dockerfile": FILES["Dockerfile"]}, {"web": {"app.py": FILES["web/app.py"]}}),
        make_artifact(
            (make_tar({"Dockerfile": FILES["Dockerfile"]}), f"{LAYER}+gzip", {}),
            (make_tar({"web/app.py": FILES["web/app.py"]}), "application/vnd.docker.image.rootfs.diff.tar.gzip", {}),
        ),
        make_artifact((make_tar(FILES), FLUX, {TITLE: "source.tgz"})),
    ],
    ids=["flux", "oras", "image", "oras with the type of flux"],
)
def test_an_artifact_becomes_files(registry: FakeRegistry, fetched: Any, root: Path, artifact: Artifact) -> None:
    assert fetched(registry.push(artifact)) == SourceFacts(revision="v1", digest=artifact.digest)
    assert files_of(root) == FILES
    config = artifact.manifest["config"]["digest"]
    assert registry.asked(config) == []


def test_a_digest_counts_before_a_tag(registry: FakeRegistry, fetched: Any, root: Path) -> None:
    pinned, newer = push_by_flux(FILES), push_by_flux({"Dockerfile": b"FROM other\n"})
    registry.push(pinned)
    image = registry.push(newer)
    assert fetched(f"{image}@{pinned.digest}") == SourceFacts(revision="v1", digest=pinned.digest)
    assert files_of(root) == FILES


def test_the_only_artifact_of_an_index_is_taken(registry: FakeRegistry, fetched: Any, root: Path) -> None:
    """Builders add what they attest to the index of an image."""
    artifact, attested = push_by_flux(FILES), push_by_flux({"x": b""})
    registry.push(artifact, "inside")
    index = make_index((artifact, {}), (attested, {"vnd.docker.reference.type": "attestation-manifest"}))
    assert fetched(registry.push(index)).digest == index.digest
    assert files_of(root) == FILES
    two = registry.push(make_index((artifact, {}), (attested, {})))
    assert "an index of 2 artifacts; name one of them by its digest" in str(refused(fetched, two))


def test_a_link_that_a_later_layer_leads_out_is_refused(registry: FakeRegistry, fetched: Any) -> None:
    first = make_tar({}, link("a", "d/e/../../x"))
    second = make_tar({"d/f": b""}, link("d/e", ".."))
    image = registry.push(make_artifact((first, f"{LAYER}+gzip", {}), (second, f"{LAYER}+gzip", {})))
    error = refused(fetched, image)
    assert error.reason is Reason.SOURCE_INVALID
    assert "'a' in the artifact is a link out of the source" in str(error)


def test_files_that_a_layer_removes_are_not_built_all_the_same(registry: FakeRegistry, fetched: Any) -> None:
    layers = [(make_tar({name: b"x"}), f"{LAYER}+gzip", {}) for name in ("secret", ".wh.secret")]
    assert "removes a file of an earlier layer" in str(refused(fetched, registry.push(make_artifact(*layers))))


def test_a_file_does_not_go_through_a_link(registry: FakeRegistry, fetched: Any, root: Path) -> None:
    layers = [(make_tar({"b/x": b""}, link("a", "b")), FLUX, {}), (b"y", LAYER, {TITLE: "a/file"})]
    assert "'a/file' of a layer meets" in str(refused(fetched, registry.push(make_artifact(*layers))))
    assert not (root / "b" / "file").exists()


# ---- digests


def test_a_layer_with_another_content_is_not_unpacked(registry: FakeRegistry, fetched: Any, root: Path) -> None:
    artifact = push_by_flux(FILES)
    image = registry.push(artifact)
    digest = artifact.manifest["layers"][0]["digest"]
    registry.blobs[digest] = make_tar({"Dockerfile": b"FROM other.\n", "web/app.py": b"print()\n"})
    artifact.manifest["layers"][0]["size"] = 10_000
    registry.manifests["v1"] = artifact.content
    error = refused(fetched, image)
    assert (error.reason, digest in str(error)) == (Reason.SOURCE_CHECKSUM, True)
    assert files_of(root) == {}


def test_a_layer_that_is_larger_than_its_manifest_says_is_not_unpacked(registry: FakeRegistry, fetched: Any) -> None:
    """The limits look at what the manifest says."""
    artifact = push_by_flux(FILES)
    artifact.manifest["layers"][0]["size"] -= 1
    assert refused(fetched, registry.push(artifact)).reason is Reason.SOURCE_CHECKSUM


def test_a_manifest_of_another_digest_is_not_taken(registry: FakeRegistry, fetched: Any) -> None:
    artifact = push_by_flux(FILES)
    registry.push(artifact)
    registry.manifests[artifact.digest] = push_by_flux({"Dockerfile": b"FROM other\n"}).content
    error = refused(fetched, f"{registry.host}/{PATH}@{artifact.digest}")
    assert (error.reason, artifact.digest in str(error)) == (Reason.SOURCE_CHECKSUM, True)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (SourceLimits(max_files=3), "more than 3 files, folders and links, the limit source.maxFiles"),
        (SourceLimits(max_bytes=15), "more than 15 bytes, the limit source.maxBytes"),
        (SourceLimits(max_download_bytes=100), "bytes, more than 100 bytes, the limit source.maxDownloadBytes"),
    ],
)
def test_all_layers_together_keep_to_the_limits(
    registry: FakeRegistry, fetched: Any, limits: SourceLimits, words: str
) -> None:
    layers = [(make_tar({f"{name}/a": b"12345", f"{name}/b": b"12345"}), FLUX, {}) for name in "xy"]
    error = refused(fetched, registry.push(make_artifact(*layers)), limits=limits)
    assert (error.reason, words in str(error)) == (Reason.SOURCE_TOO_LARGE, True), str(error)


@pytest.mark.parametrize(
    "layers",
    [
        [(make_tar({f".git/{name}": b"12345678"}), FLUX, {}) for name in "xy"],
        [(b"12345678", "text/plain", {TITLE: name}) for name in "xy"],
    ],
    ids=["in git's own folder", "files"],
)
def test_no_layer_is_left_out_of_the_limit_of_bytes(registry: FakeRegistry, fetched: Any, layers: list[Any]) -> None:
    image = registry.push(make_artifact(*layers))
    error = refused(fetched, image, limits=SourceLimits(max_bytes=15))
    assert (error.reason, "source.maxBytes" in str(error)) == (Reason.SOURCE_TOO_LARGE, True), str(error)


def test_folders_of_all_layers_count(registry: FakeRegistry, fetched: Any) -> None:
    layers = [(make_tar({f"{name}/a/b/c/d": b""}), FLUX, {}) for name in "xy"]
    error = refused(fetched, registry.push(make_artifact(*layers)), limits=SourceLimits(max_files=9))
    assert (error.reason, "source.maxFiles" in str(error)) == (Reason.SOURCE_TOO_LARGE, True), str(error)


# ---- the login


@pytest.mark.parametrize("entry", [auth(NULL_GUID, SECRET), auth("<token>", SECRET), {"identitytoken": SECRET}])
def test_a_refresh_token_becomes_a_token_for_this_repository(
    registry: FakeRegistry, fetched: Any, root: Path, entry: dict[str, str]
) -> None:
    registry.wants = "Bearer t0ken"
    fetched(registry.push(push_by_flux(FILES)), entry)
    ((method, _, sent, body),) = registry.asked("/oauth2/token")
    assert (method, sent) == ("POST", "")
    assert body.startswith("grant_type=refresh_token&service=registry.invalid")
    assert f"scope=repository%3Asource%2Fshop%3Apull&refresh_token={SECRET}" in body
    assert files_of(root) == FILES


def test_a_password_gets_a_token_too(registry: FakeRegistry, fetched: Any) -> None:
    registry.wants = "Bearer t0ken"
    entry = auth("ann", SECRET)
    fetched(registry.push(push_by_flux(FILES)), entry)
    ((method, path, sent, _),) = registry.asked("/oauth2/token")
    assert (method, sent) == ("GET", f"Basic {entry['auth']}")
    assert path.endswith("&scope=repository%3Asource%2Fshop%3Apull")


def test_a_registry_may_want_the_password_itself(registry: FakeRegistry, fetched: Any) -> None:
    entry = auth("ann", SECRET)
    registry.wants, registry.challenge = f"Basic {entry['auth']}", 'Basic realm="x"'
    fetched(registry.push(push_by_flux(FILES)), entry)


def test_a_token_for_single_repositories_is_sent_as_it_is(registry: FakeRegistry, fetched: Any) -> None:
    registry.wants = f"Bearer {SECRET}"
    fetched(registry.push(push_by_flux(FILES)), {"registrytoken": SECRET})
    assert registry.asked("/oauth2/token") == []


def test_anybody_may_get_a_token_of_a_public_repository(registry: FakeRegistry, fetched: Any) -> None:
    registry.wants = "Bearer t0ken"
    fetched(registry.push(push_by_flux(FILES)))
    assert [request[2] for request in registry.asked("/oauth2/token")] == [""]


def test_a_token_service_at_another_host_gets_no_login(registry: FakeRegistry, fetched: Any) -> None:
    registry.wants = "Bearer t0ken"
    registry.challenge = f'Bearer realm="https://auth.invalid:{registry.port}/oauth2/token",service="x"'
    image = registry.push(push_by_flux(FILES))
    fetched(image, auth("ann", SECRET))
    assert [request[2:] for request in registry.asked("/oauth2/token")] == [("", "")]
    registry.token_answer = (401, {})
    error = refused(fetched, image, auth("ann", SECRET))
    assert "its token service is auth.invalid, and a connector's login goes to registry.invalid" in str(error)


def test_a_blob_that_lies_elsewhere_is_fetched_without_the_login(
    registry: FakeRegistry, fetched: Any, root: Path, certificate: Certificate
) -> None:
    registry.wants = "Bearer t0ken"
    with serve_registry(certificate) as storage:
        image = registry.push(push_by_flux(FILES))
        storage.blobs = registry.blobs
        registry.redirect = f"https://{HOST}:{storage.port}/storage"
        fetched(image, auth(NULL_GUID, SECRET))
        assert [request[2] for request in storage.seen] == [""]
    assert files_of(root) == FILES


# ---- refusals


@pytest.mark.parametrize(
    ("entry", "remedy"),
    [(None, "add the host to the registries of its connector"), (auth(NULL_GUID, SECRET), "the role AcrPull")],
)
def test_a_refusal_is_told_in_the_registrys_words(
    registry: FakeRegistry, fetched: Any, entry: dict[str, str] | None, remedy: str
) -> None:
    registry.wants = "Bearer t0ken"
    words = f"access to\nthe {SECRET} requested"
    registry.token_answer = (401, {"errors": [{"code": "DENIED", "message": words}]})
    error = refused(fetched, registry.push(push_by_flux(FILES)), entry)
    assert error.reason is Reason.SOURCE_DENIED
    assert f"{registry.host} refuses source/shop: 401 DENIED access to the " in str(error)
    assert remedy in str(error)
    assert entry is None or SECRET not in str(error)


@pytest.mark.parametrize("part", range(4, len(SECRET), 3))
def test_of_a_long_refusal_no_part_of_the_login_stays(registry: FakeRegistry, fetched: Any, part: int) -> None:
    registry.wants = "Bearer t0ken"
    words = "x" * (300 - len("DENIED ") - part) + SECRET
    registry.token_answer = (401, {"errors": [{"code": "DENIED", "message": words}]})
    error = refused(fetched, registry.push(push_by_flux(FILES)), auth(NULL_GUID, SECRET))
    assert "DENIED xxx" in str(error)
    assert SECRET[:4] not in str(error)


def test_a_tag_that_is_not_there_is_told(registry: FakeRegistry, fetched: Any) -> None:
    error = refused(fetched, f"{registry.host}/{PATH}:v9")
    assert error.reason is Reason.REVISION_NOT_FOUND
    assert "has no source/shop:v9: 404 MANIFEST_UNKNOWN manifest tagged by v9 is not found" in str(error)


@pytest.mark.parametrize(
    ("status", "headers", "reason", "seconds"),
    [
        (429, {"Retry-After": "17"}, Reason.SOURCE_THROTTLED, 17),
        (429, {"Retry-After": "soon"}, Reason.SOURCE_THROTTLED, 0),
        (503, {}, Reason.SOURCE_UNREACHABLE, 0),
        (418, {}, Reason.SOURCE_INVALID, 0),
    ],
)
def test_whose_fault_an_answer_is(
    registry: FakeRegistry, fetched: Any, status: int, headers: dict[str, str], reason: Reason, seconds: int
) -> None:
    image = registry.push(push_by_flux(FILES))
    registry.failures.append((status, headers, {"errors": [{"code": "TOOMANYREQUESTS"}]}))
    error = refused(fetched, image)
    assert (error.reason, error.retry_after_seconds) == (reason, seconds)
    assert f"answers {status} TOOMANYREQUESTS" in str(error)


def test_a_certificate_counts_unless_the_installer_says_otherwise(
    registry: FakeRegistry, root: Path, tmp_path: Path
) -> None:
    image = registry.push(push_by_flux(FILES))
    with pytest.raises(SourceError) as caught:
        fetch_oci({"image": image}, root, login=tmp_path)
    assert caught.value.reason is Reason.CERTIFICATE_NOT_TRUSTED
    fetch_oci({"image": image, "tls": "unverified"}, root, login=tmp_path)
    assert files_of(root) == FILES


def test_plain_http_comes_after_tls(monkeypatch: pytest.MonkeyPatch, root: Path, tmp_path: Path) -> None:
    monkeypatch.setattr(connection, "resolve_host", lambda *_: ["127.0.0.1"])
    with serve_registry(None) as plain:
        plain.wants = "Bearer t0ken"
        image = plain.push(push_by_flux(FILES))
        with pytest.raises(SourceError):
            fetch_oci({"image": image}, root, login=tmp_path)
        assert plain.seen == []
        fetch_oci({"image": image, "tls": "plain"}, root, login=tmp_path)
    assert files_of(root) == FILES
