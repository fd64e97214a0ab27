"""What the operator and the init container load when they start: a pod waits for each import."""

import inspect
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from buildandpush.api.sourcelimits import SourceLimits
from buildandpush.source.kinds import KINDS, load_kind

OPERATOR: Final = frozenset(
    {
        *(
            "aiohttp",
            "azure",
            "cryptography",
            "jwt",
            "kopf",
            "kubernetes",
            "orjson",
            "prometheus_client",
            "pydantic",
            "re2",
        ),
        *("structlog", "typing_extensions", "yaml", "yarl"),
        # of aiohttp
        *("aiohappyeyeballs", "aiosignal", "attr", "frozenlist", "idna", "multidict", "propcache"),
        # of pydantic and cryptography
        *("annotated_types", "pydantic_core", "typing_inspection", "_cffi_backend", "_openssl"),
        # of kopf
        *("click", "iso8601", "pythonjsonlogger"),
        # of Azure's clients, whose MSAL asks by requests what the operator asks by aiohttp
        *("certifi", "charset_normalizer", "isodate", "msal", "msal_extensions", "requests", "urllib3"),
        # of the client of Kubernetes, which loads all of its parts but the models and calls
        *("aiohttp_retry", "dateutil", "durationpy", "oauthlib", "requests_oauthlib", "websocket"),
        *("jsonpatch", "jsonpointer"),
    }
)
ONLY_HERE: Final = frozenset({"bcrypt", "pygments", "rich", "_distutils_hack", "sitecustomize"})
"""Loaded where they happen to be installed. None of them is the operator's doing."""
ACCIDENTS: Final = ("cython_runtime", "_cython_", "__mp_main__", "__main__", "_sysconfigdata", "__mypyc")
"""Modules that compiled code makes by itself."""
MODELS: Final = ("kubernetes.client.models.", "kubernetes.aio.client.models.")
CALLS: Final = ("kubernetes.client.api.", "kubernetes.aio.client.api.")


def load(program: str, further: str = "") -> set[str]:
    """The names of the modules that a new process has after the import of a program, and after a further statement."""
    code = f"import sys, {program}\n{further}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def packages(loaded: set[str]) -> set[str]:
    """The packages of others among them."""
    found = {name.partition(".")[0] for name in loaded} - sys.stdlib_module_names - ONLY_HERE
    return {name for name in found if not any(accident in name for accident in ACCIDENTS)} - {"buildandpush"}


@pytest.fixture(scope="module")
def operator() -> set[str]:
    return load("buildandpush.__main__")


def test_the_operator_loads_the_packages_that_it_needs(operator: set[str]) -> None:
    assert packages(operator) - OPERATOR == set(), "is it needed at the start? Then add it here"
    assert {"aiohttp", "kopf", "kubernetes"} <= packages(operator)


def test_the_operator_loads_no_models_and_calls_of_kubernetes(operator: set[str]) -> None:
    """They are two thousand modules: seconds, and more memory than all else."""
    assert [name for name in operator if name.startswith(CALLS)] == []
    models = {name.rpartition(".")[2] for name in operator if name.startswith(MODELS)}
    assert models <= {"v1_object_meta", "v1_owner_reference", "v1_managed_fields_entry"}


def test_the_operator_loads_nothing_of_its_programs_besides(operator: set[str]) -> None:
    assert [name for name in operator if name.startswith(("buildandpush.plugin", "buildandpush.pipelines"))] == []


def test_the_init_container_loads_the_standard_library_alone() -> None:
    """A source is fetched by it for every build."""
    assert packages(load("buildandpush.source.__main__")) == set()


@pytest.mark.parametrize("kind", KINDS)
def test_the_init_container_loads_one_kind_of_source_alone(kind: str) -> None:
    loaded = load(
        "buildandpush.source.__main__", f"from buildandpush.source.kinds import load_kind; load_kind({kind!r})"
    )
    assert packages(loaded) == set()
    assert f"buildandpush.source.{KINDS[kind][0]}" in loaded
    assert "buildandpush.api.spelling" not in loaded, "it is for the words of a server that refuses"
    if kind in ("inline", "configMap", "persistentVolumeClaim"):
        assert not {name for name in loaded if name.startswith(("buildandpush.source.git", "http", "ssl"))}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_gets_its_part_of_the_request_a_root_and_limits(kind: str) -> None:
    inspect.signature(load_kind(kind)).bind({}, Path(), SourceLimits())
