"""What the core refuses, and how it says so."""


class SpecInvalidError(ValueError):
    """A field of a spec that cannot be used; the message names the field, the value and the remedy."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
