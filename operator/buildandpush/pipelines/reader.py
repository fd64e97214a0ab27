"""Reads YAML and JSON that strangers wrote. Each scalar stays the text that was written, and all sizes have limits."""

import re
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from buildandpush.pipelines.errors import ImportFailedError
from buildandpush.pipelines.values import Map, Plain, Value, as_map, is_null, join_path
from buildandpush.pipelines.yamlerrors import explain_error

MAX_BYTES: Final = 4 * 2**20
"""Of one file."""
MAX_VALUES: Final = 200_000
"""Of one file. An alias counts as all that it stands for."""
MAX_DEPTH: Final = 64

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MERGE: Final = "<<"
_NO_MAP: Final = "<< stands before something else than a map; name a map, such as *anchor"
_PAIR: Final = re.compile(r"(?<!\\)((?:\\\\)*+)\\u([dD][89abAB][0-9A-Fa-f]{2})\\u([dD][c-fC-F][0-9A-Fa-f]{2})")


@dataclass(frozen=True)
class SourceFile:
    """The name and the text of one file."""

    name: str
    text: str


@dataclass(frozen=True)
class Document:
    """One document of a file."""

    file: str
    value: Value
    duplicates: tuple[str, ...] = ()
    """Places of keys that are given twice. The last value counts."""


@dataclass
class _Open:
    """A list or map whose end has not come yet."""

    value: "list[Value] | Map"
    path: str
    anchor: str | None
    size: int = 1
    height: int = 1
    key: str | None = None
    merged: list[Value] = field(default_factory=list)


@dataclass(frozen=True)
class _Closed:
    """A value with the number of values in it, and of levels."""

    value: Value
    size: int = 1
    height: int = 1


def read_documents(file: SourceFile) -> list[Document]:
    """All documents of a file. Raises ImportFailedError."""
    if len(file.text.encode(errors="replace")) > MAX_BYTES:
        raise ImportFailedError(file.name, "", f"the file has more than {MAX_BYTES // 2**20} MiB; split it")
    reader = _Reader(file.name)
    text = _prepare(file.text)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            reader.take(event)
    except yaml.YAMLError as error:
        raise explain_error(file.name, text, error) from error
    return reader.documents


def _prepare(text: str) -> str:
    """The text as a reader of YAML takes it.

    JSON may be indented by tabs, which YAML refuses. Within JSON's texts a tab is written as \\t, and a character
    beyond the first 65,536 as a pair.
    """
    text = text.removeprefix("\ufeff").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if text.lstrip()[:1] not in ("{", "["):
        return text
    return _PAIR.sub(_join_pair, text.replace("\t", " "))


def _join_pair(match: re.Match[str]) -> str:
    number = 0x10000 + (int(match[2], 16) - 0xD800) * 0x400 + int(match[3], 16) - 0xDC00
    return f"{match[1]}\\U{number:08x}"


class _Reader:
    """Builds values from the events of a parser. It does not call itself, so that no depth is too much for it."""

    def __init__(self, file: str) -> None:
        self.documents: list[Document] = []
        self._file = file
        self._open: list[_Open] = []
        self._anchors: dict[str, _Closed] = {}
        self._duplicates: list[str] = []
        self._count = 0

    def take(self, event: Any) -> None:
        """Take in the next event. Raises ImportFailedError."""
        if isinstance(event, yaml.DocumentStartEvent):
            self._anchors, self._duplicates = {}, []
        elif isinstance(event, yaml.ScalarEvent):
            # A scalar without quotes has an implicit type.
            plain = event.implicit[0] and not event.style
            self._close(_Closed((Plain if plain else str)(event.value)), event.anchor)
        elif isinstance(event, yaml.AliasEvent):
            self._close(self._resolve(event.anchor or ""), None)
        elif isinstance(event, yaml.SequenceStartEvent | yaml.MappingStartEvent):
            self._begin([] if isinstance(event, yaml.SequenceStartEvent) else {}, event.anchor)
        elif isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
            self._end()

    def _begin(self, value: "list[Value] | Map", anchor: str | None) -> None:
        if len(self._open) >= MAX_DEPTH:
            raise self._failed(f"more than {MAX_DEPTH} levels; the file is no pipeline")
        if self._open and isinstance(self._open[-1].value, dict) and self._open[-1].key is None:
            raise self._failed("a key is a list or a map; write a text")
        self._open.append(_Open(value, self._path(), anchor))

    def _end(self) -> None:
        closed = self._open.pop()
        if isinstance(closed.value, dict):
            for merged in closed.merged:
                for each in merged if isinstance(merged, list) else [merged]:
                    if not isinstance(each, dict) and not is_null(each):
                        raise self._failed(_NO_MAP)
                    for key, value in as_map(each).items():
                        closed.value.setdefault(key, value)
        self._close(_Closed(closed.value, closed.size, closed.height), closed.anchor)

    def _close(self, closed: _Closed, anchor: str | None) -> None:
        """Put a whole value to its place."""
        if anchor:
            self._anchors[anchor] = closed
        if not self._open:
            self.documents.append(Document(self._file, closed.value, tuple(self._duplicates)))
            return
        parent = self._open[-1]
        if isinstance(parent.value, dict) and parent.key is None:
            if not isinstance(closed.value, str):
                raise self._failed("a key is a list or a map; write a text")
            parent.key = closed.value
            return
        self._grow(parent, closed)
        if isinstance(parent.value, list):
            parent.value.append(closed.value)
            return
        key, parent.key = parent.key or "", None
        if key == _MERGE and isinstance(key, Plain):
            parent.merged.append(closed.value)
            return
        if key in parent.value:
            self._duplicates.append(join_path(parent.path, key))
        parent.value[key] = closed.value

    def _grow(self, parent: _Open, closed: _Closed) -> None:
        parent.size += closed.size
        parent.height = max(parent.height, closed.height + 1)
        self._count += 1
        if max(self._count, parent.size) > MAX_VALUES:
            raise self._failed(f"more than {MAX_VALUES} values, aliases counted in full; split the file")
        if len(self._open) + closed.height > MAX_DEPTH:
            raise self._failed(f"more than {MAX_DEPTH} levels; the file is no pipeline")

    def _resolve(self, anchor: str) -> _Closed:
        if anchor not in self._anchors:
            raise self._failed(f"the alias *{anchor} has no anchor before it, or stands in it; write the value out")
        return self._anchors[anchor]

    def _path(self) -> str:
        if not self._open:
            return ""
        parent = self._open[-1]
        return join_path(parent.path, len(parent.value) if isinstance(parent.value, list) else parent.key or "")

    def _failed(self, trouble: str) -> ImportFailedError:
        return ImportFailedError(self._file, self._path(), trouble)
