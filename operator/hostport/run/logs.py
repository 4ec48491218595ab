"""Log lines for people or for machines, with the fields pool, port and workload where they apply."""

from __future__ import annotations

import logging

from pythonjsonlogger.core import LogData
from pythonjsonlogger.json import JsonFormatter

from hostport.api.errors import shown

_LONGEST_TEXT = 4096


class PlainFormatter(logging.Formatter):
    """One line a record, whatever stands in the texts that it is about; a traceback follows on lines of its own."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - its name in the standard library
        """The line."""
        record.message = shown(record.message, _LONGEST_TEXT)
        return super().formatMessage(record)


class _CutJsonFormatter(JsonFormatter):
    """JSON escapes by itself; what is too long is cut here too."""

    def process_log_record(self, log_data: LogData) -> LogData:
        """Every text in the record, but a traceback."""
        whole = ("exc_info", "stack_info")
        cut = {k: _cut(v) if isinstance(v, str) and k not in whole else v for k, v in log_data.items()}
        return super().process_log_record(cut)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 3] + "..."


def configure(log_format: str) -> None:
    """Log to standard error as `plain` or `json`."""
    handler = logging.StreamHandler()
    handler.setFormatter(_json() if log_format == "json" else PlainFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def _json() -> logging.Formatter:
    return _CutJsonFormatter(
        "%(asctime)s %(levelname)s %(name)s %(message)s",
        rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
        datefmt="%Y-%m-%dT%H:%M:%S%z",
    )
