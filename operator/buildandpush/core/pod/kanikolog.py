"""What kaniko's log says it pushed. Only its push command has no better way to tell, and runs nothing of the user's."""

import re
from typing import Final

from buildandpush.core.text import clean

_CACHE_TROUBLE: Final = re.compile(r"error uploading layer to cache:? *(.*)", re.IGNORECASE)
# In log format json a quotation mark follows.
_PUSHED: Final = re.compile(r"\bPushed ([^\s@\"]+)@(sha256:[0-9a-f]{64})(?=\s*$|\")", re.MULTILINE)


def find_pushed_digest(log: str, repository: str) -> str | None:
    """The digest of the last image that was pushed to the repository, host included; None if the log names none.

    Cached layers are pushed with the same words, but to other repositories.
    """
    digests = [digest for name, digest in _PUSHED.findall(clean(log)) if name == repository]
    return digests[-1] if digests else None


def find_cache_trouble(log: str) -> str | None:
    """Why the last layer that could not be put into the cache could not; kaniko goes on without."""
    found = _CACHE_TROUBLE.findall(clean(log))
    return str(found[-1]) if found else None
