"""Faults that the control API puts in force, and the log of the requests to the emulated services."""

import asyncio
import itertools
import re
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

_LOG_SIZE = 100_000


class Match(BaseModel):
    """Which requests a fault meets. Every field that is set has to fit."""

    model_config = ConfigDict(extra="forbid")

    host: str = ""
    path: str = ""
    """A regular expression for the whole path."""
    method: str = ""
    agent: str = ""
    """A regular expression for the whole header User-Agent, which tells the operator from its pods."""

    def fits(self, request: web.Request, host: str) -> bool:
        """Whether a request is met."""
        return (
            self.host in ("", host)
            and self.method in ("", request.method)
            and (not self.path or re.fullmatch(self.path, request.path) is not None)
            and (not self.agent or re.fullmatch(self.agent, request.headers.get("User-Agent", "")) is not None)
        )


class Action(BaseModel):
    """What happens to a request that is met."""

    model_config = ConfigDict(extra="forbid")

    delay_seconds: float = Field(0, alias="delaySeconds")
    status: int = 0
    """Answer with this instead; 0: go on."""
    headers: dict[str, str] = {}
    """Headers of that answer, or, where the request goes on, headers of the real one."""
    body: str = ""
    truncate_bytes: int = Field(0, alias="truncateBytes")
    """Promise the whole body, this one or where the request goes on the real one, and break off after so many bytes."""
    expired: bool = False
    """Where the request is for a token: give out one that has ended a minute ago."""
    tag_digest: str = Field("", alias="tagDigest")
    """Where the request is for metadata or a manifest: every tag of the repository names this digest."""
    drop: bool = False
    """Close the connection without an answer."""


class Fault(BaseModel):
    """A fault: for a number of requests, or until it is removed."""

    model_config = ConfigDict(extra="forbid")

    match: Match = Match()
    action: Action
    times: int | None = None


@dataclass
class Entry:
    """One request."""

    kind: str
    host: str
    method: str
    path: str
    principal: str = ""
    status: int = 0
    fault: bool = False
    time: float = field(default_factory=time.time)


class Faults:
    """The faults in force."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self._faults: dict[int, Fault] = {}

    def add(self, fault: Fault) -> int:
        """Put a fault in force; gives back its number."""
        number = next(self._ids)
        self._faults[number] = fault
        return number

    def remove(self, number: int | None = None) -> None:
        """Remove one fault, or all."""
        if number is None:
            self._faults.clear()
        else:
            self._faults.pop(number, None)

    def find(self, request: web.Request, host: str) -> Action | None:
        """The action for a request, counted as one of its times."""
        for number, fault in list(self._faults.items()):
            if not fault.match.fits(request, host):
                continue
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    del self._faults[number]
            return fault.action
        return None


async def apply(action: Action, request: web.Request) -> web.StreamResponse | None:
    """Do what a fault says; None where the request goes on."""
    if action.delay_seconds:
        await asyncio.sleep(action.delay_seconds)
    if action.drop:
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=499)
    if not action.status:
        return None
    if action.truncate_bytes:
        response = web.StreamResponse(status=action.status, headers=action.headers)
        response.content_length = len(action.body.encode())
        await response.prepare(request)
        await response.write(action.body.encode()[: action.truncate_bytes])
        if request.transport is not None:
            request.transport.abort()
        return response
    return web.Response(status=action.status, headers=action.headers, text=action.body)


class RequestLog:
    """The requests, the latest last."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=_LOG_SIZE)

    def add(self, entry: Entry) -> None:
        """Remember a request."""
        self._entries.append(entry)

    def find(self, query: Mapping[str, str]) -> list[dict[str, Any]]:
        """The requests that fit: host, method, kind and principal exactly, path as an expression, since (time)."""
        since = float(query.get("since", "0"))
        path = re.compile(query.get("path", ".*"))
        exact = {name: query[name] for name in ("host", "method", "kind", "principal") if name in query}
        return [
            asdict(entry)
            for entry in self._entries
            if entry.time >= since
            and path.fullmatch(entry.path)
            and all(getattr(entry, name) == value for name, value in exact.items())
        ]
