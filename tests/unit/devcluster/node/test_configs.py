"""Configuration files: what is listened on, where pods' names lead, and what teardown unmounts."""

import re
from pathlib import Path

import pytest

from devcluster.down import STOP_ORDER
from devcluster.images.buildah import build_pip_config, list_volumes
from devcluster.images.operatorimage import OperatorSource, compute_operator_key
from devcluster.images.rootfs import list_sources
from devcluster.machine.mounts import parse_mount_points, select_below
from devcluster.node.components import NAMES, build_components
from devcluster.node.configs import build_cni_config, build_containerd_config, build_kubelet_config
from devcluster.node.dns import build_corefile
from devcluster.settings import Settings

SETTINGS = Settings(state=Path("/srv/dev"), cache=Path("/srv/cache"))


def test_components_are_named_once_and_start_after_what_they_need() -> None:
    components = build_components(SETTINGS, Path("/usr/bin/docker-registry"))
    assert tuple(component.name for component in components) == NAMES
    seen: set[str] = set()
    for component in components:
        assert seen.issuperset(component.after)
        seen.add(component.name)
    assert set(STOP_ORDER) == set(NAMES)


def test_servers_listen_on_loopback_and_the_bridge_only() -> None:
    components = build_components(SETTINGS, Path("/usr/bin/docker-registry"))
    addresses = {use.address for component in components for use in component.ports}
    assert addresses == {"127.0.0.1", "10.88.0.1"}


@pytest.mark.parametrize(
    ("name", "answered"),
    [
        ("demo.azurecr.io.", True),
        ("contoso.azurecr.us.", True),
        ("contoso.azurecr.cn.", True),
        ("x.azurecr.io.evil.test.", True),
        ("login.microsoftonline.com.", True),
        ("management.azure.com.", True),
        ("azurecr.io.", False),
        ("xazurecr.io.", False),
        ("demo.azurecr.io.example.", False),
        ("evil.login.microsoftonline.com.", False),
        ("pypi.org.", False),
    ],
)
def test_dns_answers_azures_names_exactly_and_forwards_the_rest(name: str, answered: bool) -> None:
    corefile = build_corefile(SETTINGS, "nameserver 192.0.2.53\n")
    assert any(re.search(pattern, name) for pattern in re.findall(r"match (\S+)", corefile)) is answered
    assert "forward . /etc/resolv.conf" in corefile
    assert corefile.count("{\n") == corefile.count("}\n")


def test_dns_without_a_resolver_forwards_nothing() -> None:
    assert "forward" not in build_corefile(SETTINGS, "search example.test\n")


def test_everything_containerd_keeps_is_below_the_state_folder() -> None:
    text = build_containerd_config(SETTINGS, restrict_oom=True)
    paths = set(re.findall(r'"(/[^"]+)"', text)) - {"/usr/lib/cni"}
    assert all(path.startswith("/srv/dev/") for path in paths)
    assert "restrict_oom_score_adj = true" in text
    assert "restrict_oom_score_adj = false" in build_containerd_config(SETTINGS, restrict_oom=False)


def test_a_full_disk_neither_evicts_pods_nor_collects_images() -> None:
    config = build_kubelet_config(SETTINGS)
    assert {config["evictionHard"][name] for name in ("nodefs.available", "imagefs.available")} == {"0%"}
    assert config["imageGCHighThresholdPercent"] == 100


def test_pods_are_plugged_into_our_own_bridge() -> None:
    (bridge, _) = build_cni_config(SETTINGS)["plugins"]
    assert bridge["bridge"] == "bpdev0"
    assert bridge["ipam"]["dataDir"] == "/srv/dev/cni"


def test_only_mounts_below_the_folder_are_selected_the_deepest_first() -> None:
    mountinfo = "\n".join(
        f"{number} 1 0:1 / {point} rw - tmpfs tmpfs rw"
        for number, point in enumerate(("/", "/srv/dev", "/srv/dev/a", r"/srv/dev/a/b\040c", "/srv/device"))
    )
    points = parse_mount_points(mountinfo)
    assert select_below(points, Path("/srv/dev")) == ("/srv/dev/a/b c", "/srv/dev/a", "/srv/dev")


def test_pip_variables_become_a_file_that_is_mounted_and_not_baked_in(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "PIP_INDEX_URL": "https://example.test/simple", "PIP_FIND_LINKS": str(tmp_path)}
    assert "index-url = https://example.test/simple\n" in build_pip_config(environ)
    assert "cert = /etc/ssl/certs/ca-certificates.crt\n" in build_pip_config(environ)
    volumes = list_volumes(environ, tmp_path / "pip.conf")
    assert f"{tmp_path}/pip.conf:/etc/pip.conf:ro" in volumes
    assert f"{tmp_path}:{tmp_path}:ro" in volumes


def test_apt_sources_are_those_of_the_suite_and_name_the_newer_one(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text("deb http://mirror.test/debian bookworm main\n")
    (tmp_path / "sources.list.d" / "own.sources").write_text("Suites: bookworm bookworm-updates bookworm-security\n")
    (tmp_path / "sources.list.d" / "node.sources").write_text("URIs: http://node.test\nSuites: nodistro\n")
    (tmp_path / "sources.list.d" / "tools.list").write_text("deb http://tools.test tools-bookworm main\n")
    (tmp_path / "sources.list.d" / "old.disabled").write_text("deb http://mirror.test bookworm main\n")
    assert list_sources("bookworm", tmp_path) == {
        "sources.list": "deb http://mirror.test/debian trixie main\n",
        "own.sources": "Suites: trixie trixie-updates trixie-security\n",
    }


def test_apt_sources_of_a_newer_suite_stay(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text("deb http://mirror.test/debian noble main\n")
    assert list_sources("noble", tmp_path) == {"sources.list": "deb http://mirror.test/debian noble main\n"}


def test_operator_image_follows_what_the_dockerignore_lets_through(tmp_path: Path) -> None:
    (tmp_path / "operator" / "package").mkdir(parents=True)
    (tmp_path / ".dockerignore").write_text("*\n!operator/package\n!operator/requirements.lock\n**/__pycache__\n")
    for name in ("Dockerfile", "README.md", "operator/requirements.lock", "operator/package/main.py"):
        (tmp_path / name).write_text("one")
    source = OperatorSource(tmp_path / "Dockerfile", tmp_path)

    def change(name: str) -> bool:
        before = compute_operator_key(source, Path("base-1.tar"))
        (tmp_path / name).write_text("another")
        return compute_operator_key(source, Path("base-1.tar")) != before

    assert not change("README.md")
    assert change("Dockerfile")
    assert change("operator/requirements.lock")
    assert change("operator/package/main.py")
    assert compute_operator_key(source, Path("base-1.tar")) != compute_operator_key(source, Path("base-2.tar"))
