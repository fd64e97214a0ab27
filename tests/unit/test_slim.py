"""What the operator's image keeps of the packages that are installed into it."""

import importlib.util
from importlib.util import cache_from_source
from pathlib import Path

import pytest

from devcluster.settings import REPOSITORY_ROOT

SPEC = importlib.util.spec_from_file_location("slim", REPOSITORY_ROOT / "operator" / "slim.py")
assert SPEC is not None
assert SPEC.loader is not None
slim = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(slim)

MODELS = "kubernetes/aio/client/models"


def make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.mark.parametrize(
    "name",
    [
        "pip/__main__.py",
        "pip-24.0.dist-info/METADATA",
        "setuptools/__init__.py",
        "distutils-precedence.pth",
        "aiohttp/_http_parser.pyx",
        "multidict/__init__.pyi",
        "websocket/tests/test_app.py",
        f"{MODELS}/v1_pod.py",
        cache_from_source(f"{MODELS}/v1_pod.py"),
        "kubernetes/client/api/core_v1_api.py",
    ],
)
def test_it_goes(tmp_path: Path, name: str) -> None:
    make(tmp_path, name, f"{MODELS}/v1_pod.py")
    found = list(slim.find_unneeded(tmp_path, set()))
    assert [path for path in found if (tmp_path / name).is_relative_to(path)]


@pytest.mark.parametrize(
    "name",
    [
        "aiohttp/client.py",
        "aiohttp/_http_parser.cpython-311-x86_64-linux-gnu.so",
        "kubernetes/client/rest.py",
        f"{MODELS}/__init__.py",
        f"{MODELS}/v1_object_meta.py",
        cache_from_source(f"{MODELS}/v1_object_meta.py"),
        "pipelines/__init__.py",
        "prometheus_client/py.typed",
    ],
)
def test_it_stays(tmp_path: Path, name: str) -> None:
    loaded = tmp_path / MODELS / "v1_object_meta.py"
    make(tmp_path, name, str(loaded.relative_to(tmp_path)), f"{MODELS}/v1_pod.py")
    found = list(slim.find_unneeded(tmp_path, {loaded}))
    assert found, "something goes"
    assert [path for path in found if (tmp_path / name).is_relative_to(path)] == []


def test_what_the_programs_load_stays() -> None:
    names = {path.name for path in slim.load_programs()}
    assert {"__main__.py", "v1_object_meta.py"} <= names
