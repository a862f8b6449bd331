"""Whether the web server of this machine is alive, for health checks in a container: `python -m neoapex.alive [PORT]`.

The host is one that the studio is reached by, for it answers to no other. Nothing of Django is loaded.
"""

import http.client
import os
import sys

SECONDS = 4


def is_alive(port: int, hosts: str) -> bool:
    host = hosts.split(",", maxsplit=1)[0].strip().lstrip(".")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", "/healthz", headers={"Host": "localhost" if host in {"", "*"} else host})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(0 if is_alive(int(sys.argv[1]) if len(sys.argv) > 1 else 8000, os.environ.get("ALLOWED_HOSTS", "")) else 1)
