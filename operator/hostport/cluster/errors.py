"""What an API server can answer, as typed errors.

::

    ApiError
    ├── Unreachable    no answer: the request may or may not have been carried out
    ├── NotFound       404
    ├── Conflict       409: the object has changed since it was read, or a name is taken
    ├── Gone           410: the resourceVersion is too old, list again
    ├── Invalid        422: refused by validation, or a test of a JSON patch failed
    ├── Forbidden      401, 403
    └── Busy           429, 5xx: try again later
"""

from __future__ import annotations


class ApiError(Exception):
    """An answer that is no success; `status` is the HTTP status, 0 where there was no answer."""

    def __init__(self, status: int, message: str, request: str) -> None:
        super().__init__(f"{request}: {status or 'no answer'}: {message}")
        self.status = status
        self.message = message
        self.request = request


class Unreachable(ApiError):
    """The connection failed or timed out; a write may have been carried out all the same."""


class NotFound(ApiError):
    """There is no such object."""


class Conflict(ApiError):
    """Somebody was faster."""


class Gone(ApiError):
    """The server does not remember that far back."""


class Invalid(ApiError):
    """The request was understood and refused."""


class Forbidden(ApiError):
    """RBAC or an admission plugin said no."""


class Busy(ApiError):
    """The server can't now."""


_KINDS: dict[int, type[ApiError]] = {
    401: Forbidden,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    422: Invalid,
    429: Busy,
}


def error_for(status: int, message: str, request: str) -> ApiError:
    """The typed error of an HTTP status."""
    kind = _KINDS.get(status, Busy if status >= 500 else ApiError)
    return kind(status, message, request)
