"""The one error of an import."""

from buildandpush.core.text import clip

_LONGEST = 400


class ImportFailedError(ValueError):
    """A document that cannot be imported. The message names the file, the place in it, the trouble and the remedy."""

    def __init__(self, file: str, place: str, trouble: str) -> None:
        parts = (file, place, trouble)
        super().__init__(": ".join(clip(part, _LONGEST).replace("\n", " ") for part in parts if part))
        self.file = file
        self.place = place
