"""What Argo CD makes of an object, by the chart's health script."""

from pathlib import Path
from typing import Any

from lupa import lua51

HEALTH = Path(__file__).parents[3] / "charts" / "buildandpush-operator" / "argocd" / "health.lua"


def argo_health(obj: dict[str, Any]) -> str:
    """What the chart's health script says, in the Lua that Argo CD runs."""
    runtime = lua51.LuaRuntime(unpack_returned_tuples=True)
    script = runtime.eval("function(obj_) obj = obj_; return loadstring(source)() end")
    runtime.globals().source = HEALTH.read_text()
    return str(script(to_lua(runtime, obj))["status"])


def to_lua(runtime: Any, value: Any) -> Any:
    """Nested dicts and lists as Lua tables."""
    if isinstance(value, dict):
        return runtime.table_from({key: to_lua(runtime, inner) for key, inner in value.items()})
    if isinstance(value, list):
        return runtime.table_from([to_lua(runtime, inner) for inner in value])
    return value
