"""Fields whose text has a form of its own: buildArgs, target and subscriptionId."""

import re
from collections.abc import Mapping
from typing import Final

from buildandpush.api.spec import MAX_BUILD_ARG, STAGE_PATTERN, SUBSCRIPTION_PATTERN
from buildandpush.core.errors import SpecInvalidError
from buildandpush.core.redact import show_value

_SECRET: Final = re.compile(r"<[+]\s*secrets[.]|[$][{][{]\s*secrets[.]")
"""How the expressions of pipelines and workflows that stand for a secret begin."""
_MAX_SHOWN: Final = 60


def check_build_arguments(values: Mapping[str, str]) -> None:
    """Raise SpecInvalidError for a value that is too long or that only a pipeline would resolve."""
    for name, value in values.items():
        if len(value) > MAX_BUILD_ARG:
            raise SpecInvalidError(
                f"buildArgs.{name}",
                f"the value has {len(value)} characters and may have {MAX_BUILD_ARG}; put it into a ConfigMap and name "
                "that in buildArgsFrom",
            )
        if _SECRET.search(value):
            raise SpecInvalidError(
                f"buildArgs.{name}",
                "it is an expression for a secret, which nothing resolves here; name the Secret in buildArgsFrom",
            )


def check_target(target: str) -> None:
    """Raise SpecInvalidError for what cannot be the name of one stage."""
    if not re.fullmatch(STAGE_PATTERN, target):
        raise SpecInvalidError(
            "target", f"{show_value(target, _MAX_SHOWN)} is no name of a stage; name one stage of the Dockerfile"
        )


def check_subscription(subscription: str) -> None:
    """Raise SpecInvalidError for what is neither an id nor a name."""
    if not re.fullmatch(SUBSCRIPTION_PATTERN, subscription):
        raise SpecInvalidError(
            "subscriptionId",
            f"{show_value(subscription, _MAX_SHOWN)} is more than a subscription; give its id or name",
        )
