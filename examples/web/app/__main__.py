"""Start the service on $PORT. `python3 web.pyz` runs this file."""

import os
import signal
import sys

from server import make_server


def main() -> None:
    """Serve until Kubernetes stops the container."""
    # The first process of a container ignores a signal without a handler. Kubernetes would kill it 30 s later.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    port = int(os.environ.get("PORT", "8080"))
    version = os.environ.get("VERSION", "dev")
    print(f"web {version} listens on port {port} as user {os.getuid()}", flush=True)
    make_server(port, version).serve_forever()


if __name__ == "__main__":
    main()
