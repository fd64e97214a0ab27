"""The registry's password stands nowhere but in Secrets: looked for at the end, over all that the suite has left."""

import pytest

from tests.e2e.harness.api import Api
from tests.e2e.harness.build import FROM, inline
from tests.e2e.harness.fixtures import BuildFactory, find_leaks
from tests.e2e.harness.operatorpod import OperatorPod
from tests.e2e.harness.registry import Registry

pytestmark = [pytest.mark.e2e, pytest.mark.alone]


@pytest.mark.usefixtures("login")
def test_no_object_and_no_log_of_the_operator_holds_the_password(
    make_build: BuildFactory, api: Api, registry: Registry, operator: OperatorPod
) -> None:
    """Each test looks through its own namespace when it ends; this one looks everywhere, failures included."""
    make_build().wait_succeeded()
    make_build(source=inline(f"{FROM}RUN cat /kaniko/.docker/config.json; exit 1\n")).wait_failed("RunFailed")
    assert find_leaks(api, registry, None) == []
    log = operator.log()
    assert "operator.started" in log
    assert not [form for form in registry.secret_forms if form in log]
