"""What can go wrong outside, in the operator's own words. Foreign exceptions end at the clients' border."""


class KubernetesError(Exception):
    """The API server refused a request: its HTTP status, its reason and its message."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message


class NotFoundError(KubernetesError):
    """The object does not exist."""


class ConflictError(KubernetesError):
    """The object changed meanwhile, or one of its name exists."""


class UnavailableError(Exception):
    """No answer, or one that asks to come again (429, 5xx); the request may have been carried out nevertheless."""


class TroubleError(UnavailableError):
    """The API server answered a write with its own trouble (500), such as an admission webhook that it cannot reach.

    The write may have been carried out nevertheless. Unlike a connection that is cut, this may last, and it has words.
    """

    def __init__(self, status: int, message: str, request: str) -> None:
        super().__init__(f"{request}: {status} {message}")
        self.status = status
        self.message = message
