"""Tests of the service. The first stage of the Dockerfile runs them, so kaniko never pushes a broken service."""

# ruff: noqa: PT009 - the base image has no pytest

import json
import sys
import threading
import unittest
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "app"))

from server import answer, make_server


class AnswerTest(unittest.TestCase):
    """What the service says."""

    def test_the_root_names_the_version(self) -> None:
        code, body = answer("/", "1.2.3")
        self.assertEqual((code, body["version"]), (200, "1.2.3"))

    def test_an_unknown_path_is_not_found(self) -> None:
        self.assertEqual(answer("/nothing", "1.2.3")[0], 404)


class ServerTest(unittest.TestCase):
    """What the service says over http."""

    def test_it_answers_over_http(self) -> None:
        with make_server(0, "1.2.3") as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            with urllib.request.urlopen(f"http://127.0.0.1:{server.server_address[1]}/healthz") as response:
                body = json.load(response)
            server.shutdown()
        self.assertEqual(body, {"ok": True})


if __name__ == "__main__":
    unittest.main()
