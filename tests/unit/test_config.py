"""The operator's settings from its environment; what cannot be used is named."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from buildandpush.api.sourcelimits import USUAL_LIMITS, SourceLimits
from buildandpush.config import ConfigError, OperatorConfig
from tests.unit.clients.fake_registry import make_certificates

REQUIRED = {"BUILDANDPUSH_EXECUTOR_IMAGE": "kaniko:1", "BUILDANDPUSH_SOURCE_IMAGE": "operator:1"}


def read(**variables: str) -> OperatorConfig:
    """Settings with these variables beside the required ones."""
    extra = {f"BUILDANDPUSH_{name.upper()}": value for name, value in variables.items()}
    return OperatorConfig.from_env({**REQUIRED, **extra, "PATH": "/bin", "HOME": "/"})


def test_required_variables_are_enough() -> None:
    config = read()
    assert (config.executor_image, config.source_image) == ("kaniko:1", "operator:1")
    assert config.namespace_list == ()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("timeout_seconds", "90", 90),
        ("workers", "5", 5),
        ("max_concurrent_builds", "30", 30),
        ("read_namespaces", "true", True),
        ("read_priority_classes", "true", True),
        ("max_concurrent_builds_per_namespace", "3", 3),
        ("port", "9090", 9090),
        ("log_level", "DEBUG", "DEBUG"),
        ("image_pull_policy", "Always", "Always"),
        ("executor_compatibility", "Kaniko", "Kaniko"),
        ("memory_limit", "2Gi", "2Gi"),
        ("cpu_limit", "2", "2"),
        ("cpu_request", "50m", "50m"),
        ("outside_mesh", "false", False),
        ("keep_from_eviction", "false", False),
        ("platform", "linux/arm64", "linux/arm64"),
        ("platform", "", ""),
        ("storage_limit", "10Gi", "10Gi"),
        ("start_timeout_seconds", "60", 60),
        ("source_max_bytes", "20Gi", "20Gi"),
        ("source_max_files", "10", 10),
    ],
)
def test_variable_is_read(name: str, text: str, value: Any) -> None:
    assert getattr(read(**{name: text}), name) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("timeout_seconds", "1h"),
        ("timeout_seconds", "0"),
        ("timeout_seconds", ""),
        ("max_concurrent_builds", "-1"),
        ("max_concurrent_builds_per_namespace", "few"),
        ("workers", "0"),
        ("workers", "many"),
        ("workers", "501"),
        ("port", "70000"),
        ("port", "tcp://10.0.0.1:80"),
        ("log_level", "verbose"),
        ("log_level", "INFO\n"),
        ("image_pull_policy", "always"),
        ("executor_compatibility", "Docker"),
        ("memory_limit", "1Ki"),
        ("memory_limit", "lots"),
        ("cpu_limit", "0"),
        ("cpu_request", "1Gi"),
        ("outside_mesh", "perhaps"),
        ("https_proxy", "proxy.example:3128"),
        ("http_proxy", "socks5://proxy.example"),
        ("https_proxy", "http://user:pass@proxy.example:3128"),
        ("platform", "arm64"),
        ("storage_limit", "much"),
        ("registry_mirrors", "https://mirror.gcr.io"),
        ("pod_defaults", "{"),
        ("pod_defaults", '{"tolerations": "all"}'),
        ("start_timeout_seconds", "5"),
        ("source_max_bytes", "many"),
        ("source_max_download_bytes", "8"),
        ("source_max_files", "0"),
        ("source_max_ratio", "2.5"),
        ("executor_image", ""),
    ],
)
def test_unusable_variable_is_named_with_its_value(name: str, text: str) -> None:
    with pytest.raises(ConfigError, match=f"BUILDANDPUSH_{name.upper()}"):
        read(**{name: text})


def test_the_limits_of_sources_are_numbers_for_the_source_container() -> None:
    assert read().build_settings.source_limits == USUAL_LIMITS
    limits = read(source_max_bytes="1.5Gi", source_max_files="5", source_max_ratio="7", source_max_download_bytes="1G")
    found = limits.build_settings.source_limits
    assert found == SourceLimits(max_bytes=3 * 2**29, max_files=5, max_ratio=7, max_download_bytes=10**9)


@pytest.mark.parametrize("name", ["timeout", "EXECUTORIMAGE", "kubeconfig"])
def test_unknown_variable_is_named_since_it_may_be_a_misspelling(name: str) -> None:
    with pytest.raises(ConfigError, match=f"BUILDANDPUSH_{name.upper()}"):
        read(**{name: "1"})


@pytest.mark.parametrize("name", REQUIRED)
def test_missing_variable_is_named(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        OperatorConfig.from_env({key: value for key, value in REQUIRED.items() if key != name})


@pytest.mark.parametrize(
    ("text", "names"), [("", ()), ("shop", ("shop",)), ("a, b ,c", ("a", "b", "c")), (",,a,", ("a",)), (" , ", ())]
)
def test_namespaces_are_a_list(text: str, names: tuple[str, ...]) -> None:
    assert read(namespaces=text).namespace_list == names


def test_settings_reach_the_builds() -> None:
    settings = read(timeout_seconds="90", memory_limit="2Gi", cpu_limit="2", image_pull_policy="Never").build_settings
    assert (settings.executor_image, settings.source_image) == ("kaniko:1", "operator:1")
    assert (settings.timeout_seconds, settings.memory_limit, settings.cpu_limit) == (90, "2Gi", "2")
    assert settings.image_pull_policy == "Never"


def test_the_first_wait_reaches_the_builds() -> None:
    assert read().build_settings.first_backoff_seconds == 10
    assert read(first_backoff_seconds="2").build_settings.first_backoff_seconds == 2
    with pytest.raises(ConfigError, match="BUILDANDPUSH_FIRST_BACKOFF_SECONDS"):
        read(first_backoff_seconds="0")


def test_what_a_spec_may_do_is_held_back_where_nothing_is_said() -> None:
    settings = read().build_settings
    assert (settings.insecure_registries, settings.service_accounts, settings.pod_marks) == ((), (), ())
    assert settings.git_hosts == (), "all git servers"
    assert settings.user_namespaces is False
    assert (settings.priority_classes, settings.runtime_classes) == (("*",), ("*",))


def test_what_a_spec_may_do_reaches_the_builds() -> None:
    settings = read(
        insecure_registries="a.example:5000, b.example",
        git_hosts="GitHub.com, *.example.com",
        user_namespaces="Always",
        allowed_service_accounts="builds,",
        allowed_priority_classes="low,high",
        allowed_runtime_classes="",
        allowed_pod_marks="azure.workload.identity/",
    ).build_settings
    assert settings.insecure_registries == ("a.example:5000", "b.example")
    assert settings.git_hosts == ("github.com", "*.example.com")
    assert settings.user_namespaces is True
    assert read(user_namespaces="Auto").build_settings.user_namespaces is False, "until the nodes have told"
    assert (settings.service_accounts, settings.pod_marks) == (("builds",), ("azure.workload.identity/",))
    assert (settings.priority_classes, settings.runtime_classes) == (("low", "high"), ())


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        read().workers = 1


def test_what_the_installer_gives_every_pod_reaches_the_builds() -> None:
    mirrors = "mirror.gcr.io, quay.io=q.example"
    config = read(pod_defaults='{"nodeSelector": {"pool": "builds"}}', registry_mirrors=mirrors)
    settings = config.build_settings
    assert settings.pod_defaults is not None
    assert settings.pod_defaults.node_selector == {"pool": "builds"}
    assert settings.registry_mirrors == ("mirror.gcr.io", "quay.io=q.example")
    assert settings.platform == "linux/amd64"


def test_builds_trust_what_the_operator_trusts_unless_the_installer_says_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "ca.crt"
    certificate = f"# Prüfstelle\n{make_certificates()[0]}"
    path.write_text(certificate)
    assert read(ca_file=str(path)).read_certificates() == certificate
    assert read(ca_file=str(path), trust_in_builds="false").read_certificates() == ""
    assert read().read_certificates() == ""
    path.write_text(certificate + "x" * 65536)
    with pytest.raises(ConfigError, match=r"BUILDANDPUSH_CA_FILE=.*bytes.*at most 65536.*TRUST_IN_BUILDS=false"):
        read(ca_file=str(path)).read_certificates()


def test_comments_of_another_encoding_matter_only_where_pods_get_the_text(tmp_path: Path) -> None:
    path = tmp_path / "ca.crt"
    path.write_bytes("# Prüfstelle\n".encode("latin-1") + make_certificates()[0].encode())
    assert read(ca_file=str(path), trust_in_builds="false").read_certificates() == ""
    with pytest.raises(ConfigError, match=r"BUILDANDPUSH_CA_FILE=.*UTF-8"):
        read(ca_file=str(path)).read_certificates()


@pytest.mark.parametrize("trust_in_builds", ["true", "false"])
@pytest.mark.parametrize("text", [None, "", "hello", "-----BEGIN CERTIFICATE-----\nhello\n-----END CERTIFICATE-----\n"])
def test_without_a_certificate_that_can_be_read_the_operator_does_not_start(
    tmp_path: Path, text: str | None, trust_in_builds: str
) -> None:
    """With such a file no login of the cluster would work. So the replicas of before go on."""
    path = tmp_path / "ca.crt"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=r"BUILDANDPUSH_CA_FILE=.*in PEM form"):
        read(ca_file=str(path), trust_in_builds=trust_in_builds).read_certificates()


def test_a_proxys_password_is_not_repeated() -> None:
    with pytest.raises(ConfigError) as raised:
        read(https_proxy="http://user:hunter22@proxy.example:3128")
    assert "hunter22" not in str(raised.value)


def test_networks_are_read_for_the_rules_of_addresses() -> None:
    rules = read(egress_denied="10.0.0.0/8, 192.168.0.0/16", egress_allowed="10.1.2.3").address_rules("10.96.0.1")
    refused = {address: rules.refuses(address) for address in ("10.0.0.1", "192.168.1.1", "10.1.2.3", "10.96.0.1")}
    assert refused == {"10.0.0.1": True, "192.168.1.1": True, "10.1.2.3": False, "10.96.0.1": True}


@pytest.mark.parametrize("name", ["egress_denied", "egress_allowed"])
def test_a_network_that_is_none_is_named(name: str) -> None:
    with pytest.raises(ConfigError, match=f"BUILDANDPUSH_{name.upper()}='10.0.0.1/8'.*host bits"):
        read(**{name: "10.0.0.1/8"})
