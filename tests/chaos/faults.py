"""The table of faults. A row says what breaks and heals, and which ends of the builds are right."""

from functools import partial
from typing import Final

from tests.chaos import inflict
from tests.chaos.drill import Fault

FAULTS: Final = (
    # ---- the operator
    Fault("operator-killed", inflict.operator_killed, brief=True),
    # ---- the control plane
    Fault("api-server-stopped", partial(inflict.component_stopped, name="kube-apiserver"), lasts=10, brief=True),
    # ---- pods and nodes
    Fault("pods-deleted", inflict.pods_deleted, attempts=2, brief=True),
    # ---- the registry
    Fault("registry-500", partial(inflict.registry_answers, status=500), lasts=10, attempts=4, brief=True),
)
