"""The cache key of a tool follows everything that decides what is compiled."""

from dataclasses import replace
from pathlib import Path

import pytest

from devcluster.node.toolchain import CLUSTER_TOOLS, EXTRA_TOOLS, Tool, compute_key, link_tools


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    (tmp_path / "go.mod").write_text("module x\ngo 1.26\n")
    (tmp_path / "go.sum").write_text("a v1\n")
    return Tool("x", tmp_path, "example.org/x")


def test_key_is_stable(tool: Tool) -> None:
    assert compute_key(tool, "go1.26.8") == compute_key(tool, "go1.26.8")


@pytest.mark.parametrize("name", ["go.mod", "go.sum"])
def test_key_changes_with_the_pinned_versions(tool: Tool, name: str) -> None:
    before = compute_key(tool, "go1.26.8")
    (tool.module / name).write_text("something newer")
    assert compute_key(tool, "go1.26.8") != before


def test_key_changes_with_go_flags_and_own_source_but_not_with_tests(tool: Tool) -> None:
    keys = {
        compute_key(tool, "go1.26.8"),
        compute_key(tool, "go1.26.9"),
        compute_key(replace(tool, ldflags="-s"), "go1.26.8"),
        compute_key(replace(tool, tags="seccomp"), "go1.26.8"),
        compute_key(replace(tool, cgo=True), "go1.26.8"),
        compute_key(replace(tool, is_optimized=False), "go1.26.8"),
    }
    (tool.module / "main_test.go").write_text("package main")
    keys.add(compute_key(tool, "go1.26.8"))
    assert len(keys) == 6
    (tool.module / "main.go").write_text("package main")
    assert compute_key(tool, "go1.26.8") not in keys


def test_every_tool_has_its_module_in_the_repository() -> None:
    tools = (*CLUSTER_TOOLS, *EXTRA_TOOLS)
    assert [tool.name for tool in tools if not all(path.exists() for path in tool.sources)] == []


def test_links_follow_a_version_bump(tmp_path: Path) -> None:
    link_tools({"etcd": tmp_path / "old"}, tmp_path / "bin")
    link_tools({"etcd": tmp_path / "new"}, tmp_path / "bin")
    assert (tmp_path / "bin" / "etcd").readlink() == tmp_path / "new"
