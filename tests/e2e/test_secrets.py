"""What was kept secret stands nowhere but in Secrets: looked for at the end, over all that the suite has left."""

import pytest

from tests.e2e.harness.api import Api
from tests.e2e.harness.azure import Azure
from tests.e2e.harness.build import FROM, inline
from tests.e2e.harness.fixtures import BuildFactory, find_leaks, holds_token
from tests.e2e.harness.operatorpod import OperatorPod
from tests.e2e.harness.registry import Registry

pytestmark = [pytest.mark.e2e, pytest.mark.alone]


@pytest.mark.usefixtures("login")
def test_no_object_and_no_log_holds_a_secret(
    make_build: BuildFactory, api: Api, azure: Azure, registry: Registry, operator: OperatorPod
) -> None:
    """Each test looks through its own namespace when it ends; this one looks everywhere, failures included: for the
    secrets that all tests remembered, wrong ones and keys too, and for tokens of anybody's."""
    make_build().wait_succeeded()
    make_build(source=inline(f"{FROM}RUN cat /kaniko/.docker/config.json; exit 1\n")).wait_failed("RunFailed")
    secrets = azure.list_secrets()
    assert find_leaks(api, registry, None, secrets) == []
    log = operator.all_logs()
    assert "operator.started" in log
    assert not [form for form in (*registry.secret_forms, *secrets) if form in log]
    assert not holds_token(log), "no token of anybody's"
