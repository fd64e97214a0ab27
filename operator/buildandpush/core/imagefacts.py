"""What a registry says of an image, as far as a status can hold it: one that is too long is refused as a whole."""

from typing import Any, Final

from buildandpush.core.text import clean
from buildandpush.core.world import ReadBack

_MAX_SIZE: Final = 2**63 - 1
_MAX_MEDIA_TYPE: Final = 128
_MAX_PLATFORM: Final = 64


def describe_image(read_back: ReadBack) -> dict[str, Any]:
    """Size, media type and platform; None for each that is none. Nothing hangs on them."""
    size: Any = read_back.size_bytes
    fits = isinstance(size, int) and not isinstance(size, bool) and 0 <= size <= _MAX_SIZE
    return {
        "size_bytes": size if fits else None,
        "media_type": _word(read_back.media_type, _MAX_MEDIA_TYPE),
        "platform": _word(read_back.platform, _MAX_PLATFORM),
    }


def _word(text: Any, longest: int) -> str | None:
    """The text if it is one of at most so many characters; cut in two it would name something else."""
    return text if isinstance(text, str) and 0 < len(text) <= longest and clean(text) == text else None
