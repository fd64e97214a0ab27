"""Answers in the form that Azure gives them."""

import json
import secrets
import uuid
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

DENIED = "authentication required, visit https://aka.ms/acr/authorization for more information."


class AnswerError(Exception):
    """Ends a request with this answer."""

    def __init__(self, response: web.Response) -> None:
        super().__init__(response.status)
        self.response = response


def entra_error(number: int, text: str, *, error: str = "invalid_client", status: int = 401) -> AnswerError:
    """An error of Entra ID. https://learn.microsoft.com/entra/identity-platform/reference-error-codes"""
    now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%SZ}"
    trace, correlation = uuid.uuid4(), uuid.uuid4()
    described = f"AADSTS{number}: {text} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {now}"
    body = {
        "error": error,
        "error_description": described,
        "error_codes": [number],
        "timestamp": now,
        "trace_id": str(trace),
        "correlation_id": str(correlation),
    }
    return AnswerError(web.json_response(body, status=status))


def registry_error(
    status: int, code: str, message: str, detail: Any = None, headers: dict[str, str] | None = None
) -> AnswerError:
    """An error of a registry. https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes"""
    body = {"errors": [{"code": code, "message": message, "detail": detail}]}
    return AnswerError(web.json_response(body, status=status, headers=headers))


def manager_error(status: int, code: str, message: str) -> AnswerError:
    """An error of the resource manager."""
    return AnswerError(web.json_response({"error": {"code": code, "message": message}}, status=status))


def json_object(text: str) -> dict[str, Any]:
    """A JSON object; empty for anything else."""
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def new_key() -> str:
    """A key that tokens are signed with."""
    return secrets.token_hex(32)
