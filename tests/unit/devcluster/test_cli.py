"""The command line: exports for the shell, and errors without a traceback."""

import shlex
from pathlib import Path

import pytest

from devcluster.__main__ import build_parser, main
from devcluster.node.environment import build_environment, render_exports
from devcluster.settings import Settings, read_settings


def test_state_and_cache_come_from_the_environment() -> None:
    settings = read_settings({"DEVCLUSTER_STATE": "/srv/dev", "XDG_CACHE_HOME": "/srv/cache"})
    assert settings.state == Path("/srv/dev")
    assert settings.cache == Path("/srv/cache/buildandpush-devcluster")
    assert read_settings({"HOME": "/home/me"}).cache == Path("/home/me/.cache/buildandpush-devcluster")


def test_env_prints_lines_a_shell_can_evaluate() -> None:
    settings = Settings(state=Path("/srv/with blank"), cache=Path("/c"))
    lines = render_exports(settings).splitlines()
    assert "export KUBECONFIG='/srv/with blank/kubeconfig'" in lines
    assert "export DEVCLUSTER_REGISTRY=demo.azurecr.io" in lines
    assert lines[-1] == "export PATH='/srv/with blank/bin':\"$PATH\""
    assert all(shlex.split(line)[0] == "export" for line in lines)


def test_env_names_the_password_file_and_never_the_password() -> None:
    environment = build_environment(Settings(state=Path("/srv/dev"), cache=Path("/c")))
    assert environment["DEVCLUSTER_REGISTRY_PASSWORD_FILE"] == "/srv/dev/registry/password"
    assert environment["DEVCLUSTER_CA_FILE"] == "/srv/dev/pki/ca.crt"
    assert "DEVCLUSTER_REGISTRY_PASSWORD" not in environment


def test_an_unknown_log_name_is_answered_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["logs", "apiserver"]) == 1
    message = capsys.readouterr().err
    assert "There is no component apiserver" in message
    assert "kube-apiserver" in message
    assert "Traceback" not in message


def test_status_without_a_cluster_fails_and_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DEVCLUSTER_STATE", str(tmp_path / "none"))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert main(["status"]) == 1
    assert "python -m devcluster up" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["down", "status", "stop kubelet"])
def test_commands_that_need_root_say_so(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert main(command.split()) == 1
    assert "run it with sudo" in capsys.readouterr().err


def test_help_names_every_command() -> None:
    text = build_parser().format_help()
    for command in ("up", "down", "status", "env", "logs", "load", "start", "restart", "stop", "tool", "images"):
        assert f"    {command} " in text


def test_a_proxy_is_kept_away_from_the_cluster() -> None:
    settings = Settings(state=Path("/srv/dev"), cache=Path("/c"))
    environ = {"HTTPS_PROXY": "http://proxy.test:3128", "NO_PROXY": "intranet.test,localhost"}
    no_proxy = build_environment(settings, environ)["NO_PROXY"].split(",")
    assert no_proxy[:2] == ["intranet.test", "localhost"]
    assert {"10.88.0.0/16", "10.96.0.0/16", "demo.azurecr.io"} <= set(no_proxy)
    assert "NO_PROXY" not in build_environment(settings, {})
