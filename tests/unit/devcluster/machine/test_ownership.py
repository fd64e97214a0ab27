"""No command uses, empties or takes down what belongs to somebody else."""

from pathlib import Path

import pytest

from devcluster.errors import DevclusterError
from devcluster.machine.ownership import check_owner, claim, release
from devcluster.settings import Settings


def make_settings(folder: Path) -> Settings:
    return Settings(state=folder, cache=folder.parent / "cache")


def test_a_folder_of_somebody_elses_is_neither_used_nor_emptied(tmp_path: Path) -> None:
    settings, owner_file = make_settings(tmp_path / "state"), tmp_path / "owner"
    check_owner(settings, owner_file)
    settings.state.mkdir()
    check_owner(settings, owner_file)
    (settings.state / "thesis.tex").write_text("")
    with pytest.raises(DevclusterError, match="not of a dev cluster"):
        check_owner(settings, owner_file)


def test_another_folders_cluster_is_refused_until_it_is_released(tmp_path: Path) -> None:
    """Once, `down` with another DEVCLUSTER_STATE removed the running cluster's bridge and rules."""
    first, second = make_settings(tmp_path / "first"), make_settings(tmp_path / "second")
    owner_file = tmp_path / "owner"
    claim(first, owner_file)
    claim(first, owner_file)
    with pytest.raises(DevclusterError, match=f"lives in {first.state}, not in {second.state}"):
        check_owner(second, owner_file)
    with pytest.raises(DevclusterError, match="take that one down first"):
        claim(second, owner_file)
    assert not second.state.exists()
    release(owner_file)
    claim(second, owner_file)
