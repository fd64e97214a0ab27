"""Build arguments: those with a secret come from a Secret, the others stay as they are."""

from typing import Any, Final

from buildandpush.core.spec.buildsecrets import EXPRESSION_KEY
from buildandpush.pipelines.expressions import SECRET
from buildandpush.pipelines.names import name_connector
from buildandpush.pipelines.notes import Notes, shown
from buildandpush.pipelines.secrets import key_of, tell_secret

_SECRET_SIGN: Final = "<+secrets."  # noqa: S105 - the beginning of an expression


def plan_arguments(given: dict[str, str], notes: Notes, *, resource: str) -> dict[str, Any]:
    """The fields `buildArgs` and `buildArgsFrom`."""
    plain: dict[str, str] = {}
    from_secrets: list[dict[str, str]] = []
    for name, text in given.items():
        if _SECRET_SIGN not in text:
            plain[name] = text
            continue
        secret, key = _place(name, text, resource)
        from_secrets.append({"name": name, "secretName": secret, "key": key})
        whole = "" if SECRET.fullmatch(text.strip()) else f", with the text around it ({shown(text)})"
        tell_secret(f"buildArgs.{shown(name)}", secret, key, notes, whole)
    return {"buildArgs": plain, "buildArgsFrom": from_secrets}


def _place(name: str, text: str, resource: str) -> tuple[str, str]:
    """Secret and key. A secret within a longer text needs a Secret of its own, which holds all of the text."""
    match = SECRET.fullmatch(text.strip())
    if match:
        return name_connector(match[1]) or f"{resource}-arguments", EXPRESSION_KEY
    return f"{resource}-arguments", key_of(name, "argument")
