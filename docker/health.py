"""Print and check the health of a service in this container: `python health.py URL`."""

import sys
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import urlopen


def answer(url: str) -> tuple[int, str]:
    """Return the status of a GET, and the beginning of the body."""
    try:
        with urlopen(url, timeout=5) as reply:  # noqa: S310 - a fixed address of this container
            return reply.status, reply.read(500).decode()
    except HTTPError as error:
        return error.code, error.read(500).decode()


def main() -> int:
    """Return the exit code that Docker expects: 0 if healthy, else 1."""
    try:
        status, text = answer(sys.argv[1])
    except (OSError, HTTPException) as error:
        print(f"no answer: {error}")
        return 1
    print(status, text)
    return int(status != 200)


if __name__ == "__main__":
    sys.exit(main())
