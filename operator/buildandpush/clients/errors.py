"""The errors of the clients. Clients turn every foreign exception into one of these."""


class KubernetesError(Exception):
    """The API server refused a request: its HTTP status, its reason and its message."""

    def __init__(self, status: int, reason: str, message: str, *, is_own: bool = True) -> None:
        """`is_own` says whether these are the API server's own words, rather than the page of some proxy, which says
        nothing of the request itself."""
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.is_own = is_own


class NotFoundError(KubernetesError):
    """The object does not exist."""


class ConflictError(KubernetesError):
    """The object changed meanwhile, or an object of its name exists."""


class DeniedError(KubernetesError):
    """An admission webhook denied the request.

    It chooses the code. So the code does not say that the object is missing or has changed.
    """


class UnavailableError(Exception):
    """No answer, or an answer that means "try again" (429, 5xx). The server may have performed the request
    nevertheless."""

    def __init__(self, message: str, *, retry_after_seconds: int = 0) -> None:
        """`retry_after_seconds` is how long the server wants to be left alone; 0 if it does not say."""
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class ThrottledError(UnavailableError):
    """The API server has too many requests of the operator (429). It counts them by who makes them, so any other
    request would meet the same."""


class BrokenAnswerError(UnavailableError):
    """The server answered, and nothing can be made of the answer: it is too long, it is no JSON, it is some proxy's
    (404 without a Status), or it tells a reader of the server's own trouble (500), such as a conversion webhook that
    fails. Other objects may be readable."""


class TroubleError(UnavailableError):
    """The API server answered a write with its own trouble (500), such as an admission webhook that it cannot reach.

    The write may have been carried out nevertheless. Unlike a connection that is cut, this may last, and it has words.
    """

    def __init__(self, status: int, message: str, request: str) -> None:
        super().__init__(f"{request}: {status} {message}")
        self.status = status
        self.message = message
