"""The contract tests' fixtures: those of the end-to-end tests that need no build."""

from tests.e2e.harness.fixtures import api, azure, login, make_build, make_login, namespace, registry, settings, shell  # noqa: F401
