"""What the expressions of a spec may name, and the values of a run."""

from buildandpush.core.expressions.evaluate import Scope


def build_scope(run_number: int) -> Scope:
    """The names and values of a run."""
    return {"pipeline": {"sequenceId": run_number}}
