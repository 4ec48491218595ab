"""What an API server can answer, as typed errors.

::

    ApiError
    ├── Passing
    │   ├── Unreachable    no answer: the request may or may not have been carried out
    │   │   └── Garbled    an answer that can't be read: of a watch, list again
    │   └── Busy           429, 5xx: try again later
    ├── NotFound       404
    ├── Conflict       409: the object has changed since it was read, or a name is taken
    ├── Gone           410: the resourceVersion is too old, list again
    ├── Invalid        422: refused by validation, or a test of a JSON patch failed
    └── Forbidden      401, 403

    WentBack           no answer's fault: everything must be read anew
"""

from __future__ import annotations

import logging


class ApiError(Exception):
    """An answer that is no success; `status` is the HTTP status, 0 where there was no answer."""

    def __init__(self, status: int, message: str, request: str) -> None:
        super().__init__(f"{request}: {status or 'no answer'}: {message}")
        self.status = status
        self.message = message
        self.request = request

    @property
    def refuses(self) -> bool:
        """Whether what was to be written is refused for what it is, by the API server, a policy or RBAC."""
        return self.status in (400, 403, 413, 422)


class Passing(ApiError):
    """It will pass by itself; the client has said it already, once for all requests that it concerns."""


class Unreachable(Passing):
    """The connection failed or timed out; a write may have been carried out all the same."""


class Garbled(Unreachable):
    """An answer was cut off, is too long, or is not what was asked for. A watch would bring it again and again."""


class NotFound(ApiError):
    """There is no such object."""


class Conflict(ApiError):
    """Somebody was faster."""


class Gone(ApiError):
    """The server does not remember that far back."""


class Invalid(ApiError):
    """The request was understood and refused."""

    @property
    def is_failed_test(self) -> bool:
        """Whether a JSON patch could not be applied: the object is another one than the patch was made for.

        The API server says nothing of its own then (`applyJSPatch` in apiserver/pkg/endpoints/handlers/patch.go).
        """
        return self.message == "the server rejected our request due to an error in our request"


class Forbidden(ApiError):
    """RBAC or an admission plugin said no. For a moment after its start an API server forbids everything."""

    @property
    def is_farewell(self) -> bool:
        """Whether it is about something new in a namespace that is being deleted (pkg/admission/plugin/namespace)."""
        return "because it is being terminated" in self.message

    @property
    def is_by_rbac(self) -> bool:
        """Whether the identity lacks the right, which admission has no part in."""
        return " cannot " in self.message and " resource " in self.message


class Busy(Passing):
    """The server can't now. `retry_after`: the seconds it wants to be left alone for, if it says so."""

    retry_after: float | None = None


class WentBack(Exception):
    """The API server shows a state older than one it has shown before: its etcd was restored from a backup.

    What is remembered here is of a future that is not going to be.
    """

    def __init__(self, path: str, version: int, known: int) -> None:
        super().__init__(f"{path} is back at resourceVersion {version} from {known}: etcd was restored from a backup")


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


def level_of(error: ApiError) -> int:
    """At which level whoever tries again mentions it: what the client has told is told."""
    return logging.DEBUG if isinstance(error, (Passing, Forbidden)) else logging.WARNING
