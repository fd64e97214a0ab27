"""The cluster's certificates say what clients check, and are renewed when they must be."""

import datetime
from pathlib import Path

from cryptography import x509

from devcluster.node.pki import Certificate, ensure_pki, list_certificates, read_names
from devcluster.settings import Settings

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def make_settings(folder: Path) -> Settings:
    return Settings(state=folder / "state", cache=folder / "cache")


def read_certificate(settings: Settings, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((settings.pki / f"{name}.crt").read_bytes())


def test_servers_are_valid_for_every_name_their_clients_use(tmp_path: Path) -> None:
    settings = make_settings(tmp_path)
    ensure_pki(settings, NOW)
    names = read_names(read_certificate(settings, "registry"))
    assert {"*.azurecr.io", "*.azurecr.us", "login.microsoftonline.com", "management.azure.com", "10.88.0.1"} <= names
    api_server = read_names(read_certificate(settings, "apiserver"))
    assert {"10.88.0.1", "10.96.0.1", "127.0.0.1", "kubernetes.default.svc.cluster.local"} <= api_server


def test_clients_have_no_names_and_the_node_is_in_the_group_of_nodes(tmp_path: Path) -> None:
    settings = make_settings(tmp_path)
    ensure_pki(settings, NOW)
    node = read_certificate(settings, "node")
    assert read_names(node) == set()
    assert node.subject.rfc4514_string() == "CN=system:node:devcluster,O=system:nodes"


def test_keys_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    settings = make_settings(tmp_path)
    ensure_pki(settings, NOW)
    assert {path.stat().st_mode & 0o777 for path in settings.pki.glob("*.key")} == {0o600}


def test_a_second_run_makes_nothing(tmp_path: Path) -> None:
    settings = make_settings(tmp_path)
    made = ensure_pki(settings, NOW)
    assert set(made) == {"ca", "sa", *(one.name for one in list_certificates(settings))}
    assert ensure_pki(settings, NOW) == ()


def test_everything_but_the_account_key_is_renewed_on_the_last_day(tmp_path: Path) -> None:
    settings = make_settings(tmp_path)
    ensure_pki(settings, NOW)
    made = ensure_pki(settings, NOW + datetime.timedelta(days=364, hours=1))
    assert "ca" in made
    assert "registry" in made
    assert "sa" not in made


def test_another_registry_name_renews_only_its_certificate(tmp_path: Path) -> None:
    settings = make_settings(tmp_path)
    ensure_pki(settings, NOW)
    renamed = Settings(state=settings.state, cache=settings.cache, registry_host="other.azurecr.io")
    assert ensure_pki(renamed, NOW) == ("registry",)


def test_certificate_names_are_unique(tmp_path: Path) -> None:
    names = [one.name for one in list_certificates(make_settings(tmp_path))]
    assert len(names) == len(set(names))
    assert isinstance(list_certificates(make_settings(tmp_path))[0], Certificate)
