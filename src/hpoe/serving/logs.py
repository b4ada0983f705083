"""Logs of the server: one JSON object per line, on stderr."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

from hpoe.secrets import without_secrets


class JsonFormatter(logging.Formatter):
    """Time, level and message, the fields of a request, and the trace of an error."""

    def format(self, record: logging.LogRecord) -> str:
        """A record as one line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": without_secrets(record.getMessage().strip()),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["trace"] = without_secrets(self.formatException(record.exc_info))
        return json.dumps(line)


LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": JsonFormatter}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "loggers": {
        name: {"handlers": ["stderr"], "level": "INFO", "propagate": False}
        for name in ("hpoe.serving", "uvicorn")
    },
}
"""For logging.config."""
