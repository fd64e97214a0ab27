"""What the core refuses, and how it says so."""

from buildandpush.core.redact import mask_logins


class SpecInvalidError(ValueError):
    """A field of a spec that cannot be used; the message names the field, the value and the remedy. It goes into a
    status and an Event, so a login in the value is masked: people paste addresses from elsewhere."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(mask_logins(f"{field}: {message}"))
        self.field = field
