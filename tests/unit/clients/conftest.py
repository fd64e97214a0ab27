"""No test of the clients trusts, or spends time reading, the machine's own CA certificates."""

import os

import pytest


@pytest.fixture(autouse=True)
def no_usual_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenSSL's own variables: https://docs.openssl.org/master/man3/SSL_CTX_load_verify_locations/"""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.setenv(name, os.devnull)
