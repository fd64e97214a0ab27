"""The service. It answers / and /healthz with JSON."""

import json
import os
import platform
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def answer(path: str, version: str) -> tuple[int, dict[str, object]]:
    """Return the status code and the body for a path."""
    match path.partition("?")[0]:
        case "/":
            return 200, {
                "message": "Hello from an image that BuildAndPushACR built",
                "version": version,
                "python": platform.python_version(),
                "user": os.getuid(),
            }
        case "/healthz":
            return 200, {"ok": True}
    return 404, {"error": f"there is nothing at {path}"}


def make_server(port: int, version: str) -> ThreadingHTTPServer:
    """Make the server. It listens at once. serve_forever answers requests."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            code, body = answer(self.path, version)
            content = json.dumps(body).encode() + b"\n"
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    return ThreadingHTTPServer(("", port), Handler)
