"""How the operator and its containers check certificates: as kaniko, git and kubectl do, whatever Python runs them."""

import contextlib
import os
import ssl


def check_as_others_do(context: ssl.SSLContext) -> ssl.SSLContext:
    """Take what programs in Go and git take; gives back the same context.

    Python checks more since 3.13. It refuses an authority without key identifiers or without a key usage, as clusters
    and firewalls have made them for years. It has also taken an intermediate authority for enough since then, which
    earlier versions did not. Chain, host name and dates are checked in any case.
    https://docs.python.org/3.13/library/ssl.html#ssl.create_default_context
    """
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def trust_anew(context: ssl.SSLContext, file: str | bytes | os.PathLike[str] | os.PathLike[bytes] | None) -> None:
    """Trust what a file of authorities holds by now, besides what was trusted before.

    A cluster may change its authority while pods run. The kubelet brings the new file into them, and nobody tells them.
    """
    with contextlib.suppress(OSError):  # OpenSSL's errors are OSErrors
        if file:
            context.load_verify_locations(file)
