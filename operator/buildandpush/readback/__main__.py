"""Runs in the read-back pod: `python3 -m buildandpush.readback CLAIM`; CLAIM is JSON, see core/pod/readback.py."""

import asyncio
import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from buildandpush.api.addresses import EVERYWHERE
from buildandpush.clients.image import Image, prove_image, read_image
from buildandpush.clients.outside import Outside
from buildandpush.clients.traffic.circuits import OUTSIDE_LIMITS, Circuits
from buildandpush.core.facts import ReadBack
from buildandpush.core.pod.readback import (
    CA_MOUNT,
    CERTIFICATES_MOUNT,
    LOGIN_MOUNT,
    PATIENCE_SECONDS,
    Claim,
    Report,
    parse_claim,
    render_report,
)
from buildandpush.processone import end_at_sigterm
from buildandpush.readback.login import read_authorization

AGENT: Final = "buildandpush-read-back"
WAITS_SECONDS: Final = (1.0, 2.0, 4.0, 8.0, 15.0)
"""Between two readings; the last one again and again."""
REFUSED_PATIENCE_SECONDS: Final = 20.0
"""How long a registry is asked that refuses or cannot be reached: a way to it may only just be opening."""


@dataclass(frozen=True)
class Places:
    """Where the pod has its files."""

    login: Path = Path(LOGIN_MOUNT) / "config.json"
    ca: Path = Path(CA_MOUNT) / "ca.crt"
    certificates: Path = Path(CERTIFICATES_MOUNT)
    report: Path = Path("/dev/termination-log")


async def read_back(
    claim: Claim,
    places: Places,
    *,
    patience_seconds: float = PATIENCE_SECONDS,
    waits: tuple[float, ...] = WAITS_SECONDS,
) -> Report:
    """Ask the registry until it has answered and has the image, or for as long as the patience lasts."""
    ca_bundle = places.ca.read_text() if places.ca.exists() else ""
    # Whatever this pod can reach, kaniko could reach from there, too.
    # It asks one registry for as long as its patience lasts, and nobody waits for it meanwhile.
    never = Circuits(OUTSIDE_LIMITS, opens_after=sys.maxsize)
    outside = Outside(_certificates(places), rules=EVERYWHERE, verifies=claim.tls != "unverified", circuits=never)
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        for number in range(sys.maxsize):
            # Read each time: the kubelet brings a renewed login into the pod.
            authorization = read_authorization(places.login, claim.repository.split("/", 1)[0])
            report = await _read(claim, outside, ca_bundle, authorization)
            wait = max(waits[min(number, len(waits) - 1)], report.read_back.retry_after_seconds)
            refused = report.read_back.problem and not report.read_back.passing
            patience = min(patience_seconds, REFUSED_PATIENCE_SECONDS) if refused else patience_seconds
            if _is_complete(report, claim) or loop.time() + wait > began + patience:
                break
            await asyncio.sleep(wait)
    finally:
        await outside.close()
    return report


async def _read(claim: Claim, outside: Outside, ca_bundle: str, authorization: str) -> Report:
    host, path = claim.repository.split("/", 1)
    session = await outside.session(ca_bundle)
    report = Report(ReadBack({}, digest_found=False, problem="nothing was read"))
    # kaniko's own order where plain http is allowed.
    for scheme in ("https", "http") if claim.tls == "plain" else ("https",):
        image = Image(session, host, path, authorization, scheme=scheme, agent=AGENT)
        found = await read_image(image, claim.tags, claim.digest)
        report = Report(found)
        if found.problem:
            continue
        moved = any(found.tags.get(tag) != claim.digest for tag in claim.tags)
        if found.digest_found and moved and claim.run_label:
            proof = await prove_image(image, (claim.digest,), claim.run_label)
            unread = ReadBack(
                {},
                digest_found=False,
                problem=proof.problem,
                passing=proof.passing,
                retry_after_seconds=proof.retry_after_seconds,
            )
            report = Report(unread if proof.problem else found, bool(proof.digest))
        break
    return report


def _is_complete(report: Report, claim: Claim) -> bool:
    """Whether asking again can bring no more: a tag or digest that is missing may only not be everywhere yet."""
    found = report.read_back
    return not found.problem and found.digest_found and all(found.tags.get(tag) for tag in claim.tags)


def _certificates(places: Places) -> str:
    """The file of the certificates that the installer trusts; empty without one."""
    return next((str(path) for path in sorted(places.certificates.glob("*.crt"))), "")


def main(arguments: list[str]) -> int:
    """Ask, report, and end with 0; with 1 where there is nothing to ask with."""
    places = Places(report=Path(os.environ.get("TERMINATION_LOG", "/dev/termination-log")))
    try:
        claim = parse_claim(arguments[0])
        report = asyncio.run(read_back(claim, places))
    except (IndexError, KeyError, TypeError, ValueError, OSError) as error:
        print(f"The registry cannot be asked: {error}", file=sys.stderr)
        places.report.write_text(json.dumps({"problem": f"the registry cannot be asked: {error}"[:400]}))
        return 1
    text = render_report(report, claim)
    print(text)
    places.report.write_text(text)
    return 0


if __name__ == "__main__":
    end_at_sigterm(128 + signal.SIGTERM)
    sys.exit(main(sys.argv[1:]))
