"""Log lines for people or for machines, with the fields pool, port and workload where they apply."""

from __future__ import annotations

import logging

from pythonjsonlogger.json import JsonFormatter


class PlainFormatter(logging.Formatter):
    """One line a record."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s")


def configure(log_format: str) -> None:
    """Log to standard error as `plain` or `json`."""
    handler = logging.StreamHandler()
    handler.setFormatter(_json() if log_format == "json" else PlainFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def _json() -> logging.Formatter:
    return JsonFormatter(
        "%(asctime)s %(levelname)s %(name)s %(message)s",
        rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
        datefmt="%Y-%m-%dT%H:%M:%S%z",
    )
