"""Finds the steps that build and push, at any depth, with all that stands around them."""

from dataclasses import dataclass, field, replace
from typing import Final

from buildandpush.pipelines.errors import ImportFailedError
from buildandpush.pipelines.templates import TemplateLibrary, expand
from buildandpush.pipelines.values import Map, Value, as_map, as_text, join_path, look_up

ACR_STEP: Final = "BuildAndPushACR"
DOCKER_STEP: Final = "BuildAndPushDockerRegistry"
KINDS: Final = frozenset({ACR_STEP, DOCKER_STEP})
_OTHERS: Final = frozenset({"BuildAndPushECR", "BuildAndPushGCR", "BuildAndPushGAR", "BuildAndPushHAR"})
"""Steps for the registries of others."""
PLUGIN_STEP: Final = "Plugin"
_PLUGIN_IMAGE: Final = "kaniko-acr"

_MAX_DEPTH: Final = 120
_MAX_VISITS: Final = 400_000
MAX_EARLIER: Final = 100
"""Earlier steps that are remembered."""
_ASIDE: Final = frozenset({"template", "templateInputs", "variables", "notificationRules"})
"""Keys under which no step stands."""


@dataclass(frozen=True)
class Earlier:
    """A step that comes before, in the same stage."""

    name: str
    kind: str
    spec: Map = field(default_factory=dict)


@dataclass(frozen=True)
class Around:
    """What stands around a step."""

    pipeline: Map = field(default_factory=dict)
    stage: Map = field(default_factory=dict)
    groups: tuple[Map, ...] = ()
    """Step groups, the outermost first."""
    earlier: tuple[Earlier, ...] = ()


@dataclass(frozen=True)
class FoundStep:
    """One step, its template in place."""

    file: str
    path: str
    step: Map
    around: Around
    variables: dict[str, str] = field(default_factory=dict)
    """Variables that may stay expressions, with their values."""
    asked: frozenset[str] = frozenset()
    """Variables in the step that are asked for at each run."""

    @property
    def name(self) -> str:
        """The step's identifier, or its name."""
        return step_name(self.step)


class Finder:
    """Looks through documents. It keeps what it has found, and the templates it did not find."""

    def __init__(self, library: TemplateLibrary) -> None:
        self.steps: list[FoundStep] = []
        self.missing: dict[str, str] = {}
        """Templates that are not at hand, each with the first place that names it."""
        self.aside: dict[tuple[str, str], list[str]] = {}
        """Steps by file and type that push images and become no resources."""
        self.used: set[str] = set()
        """Templates that a step came from or through."""
        self._library = library
        self._file = ""
        self._visits = 0

    def look_through(self, file: str, value: Value) -> None:
        """Find the steps in a value of a document. Raises ImportFailedError for one that never ends."""
        self._file = file
        self._walk(value, "", Around(), 0)

    def _walk(self, value: Value, path: str, around: Around, depth: int) -> tuple[Earlier, ...]:
        """The steps in a value. What was found goes into `steps`."""
        self._visits += 1
        if depth > _MAX_DEPTH or self._visits > _MAX_VISITS:
            raise ImportFailedError(self._file, path, "the templates make it too deep or too large; import it in parts")
        if isinstance(value, list):
            return self._walk_list(value, path, around, depth)
        if not isinstance(value, dict):
            return ()
        if as_text(value.get("type")) in KINDS and isinstance(value.get("spec"), dict):
            return self._take(value, path, around)
        seen: tuple[Earlier, ...] = ()
        for key, child in value.items():
            if key not in _ASIDE and isinstance(child, dict | list):
                inside = _after(around, seen)
                seen = _joined(seen, self._walk_key(key, child, join_path(path, key), inside, depth + 1))
        return seen

    def _walk_list(self, values: list[Value], path: str, around: Around, depth: int) -> tuple[Earlier, ...]:
        seen: tuple[Earlier, ...] = ()
        for number, child in enumerate(values):
            seen = _joined(seen, self._walk(child, join_path(path, number), _after(around, seen), depth + 1))
        return seen

    def _walk_key(self, key: str, child: Value, path: str, around: Around, depth: int) -> tuple[Earlier, ...]:
        if key == "parallel" and isinstance(child, list):
            # None of these waits for another one.
            return tuple(
                step
                for number, each in enumerate(child)
                for step in self._walk(each, join_path(path, number), around, depth)
            )
        if not isinstance(child, dict) or key not in ("pipeline", "stage", "stepGroup", "step"):
            return self._walk(child, path, around, depth)
        child, missing = expand(child, self._library, self.used)
        for name in missing:
            self.missing.setdefault(name, path)
        if key == "step":
            return self._take(child, path, around)
        if key == "stepGroup":
            return self._walk(child, path, replace(around, groups=(*around.groups, child)), depth)
        if key == "stage":
            self._walk(child, path, replace(around, stage=child, groups=(), earlier=()), depth)
        else:
            self._walk(child, path, Around(pipeline=child), depth)
        return ()

    def _take(self, step: Map, path: str, around: Around) -> tuple[Earlier, ...]:
        kind = as_text(step.get("type"))
        if kind in KINDS:
            self.steps.append(FoundStep(self._file, path, step, around))
        elif kind in _OTHERS or (kind == PLUGIN_STEP and _PLUGIN_IMAGE in as_text(look_up(step, "spec", "image"))):
            self.aside.setdefault((self._file, kind), []).append(step_name(step))
        return (Earlier(step_name(step), kind or "template", as_map(step.get("spec"))),)


def _joined(first: tuple[Earlier, ...], second: tuple[Earlier, ...]) -> tuple[Earlier, ...]:
    return (*first, *second)[:MAX_EARLIER] if second else first


def _after(around: Around, seen: tuple[Earlier, ...]) -> Around:
    return replace(around, earlier=_joined(around.earlier, seen)) if seen else around


def step_name(step: Map) -> str:
    """The identifier, or the name, or the type."""
    return as_text(step.get("identifier")) or as_text(step.get("name")) or as_text(step.get("type")) or "step"
