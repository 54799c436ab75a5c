"""A second opinion on what our own rules call valid: pyHanko's long-term validation, in a child with limits.

It can only turn `valid` into `unknown`. A crafted file may stall or blow up a big parser, hence the child; that
is also why it never sees a file that our own rules refused.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import subprocess
import sys
from datetime import datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from signing.trust import Trust
from signing.verdict import Reason, reason

SECONDS, MEMORY = 20, 1 << 30
"""Limits of the child: CPU seconds and address space in bytes."""


def installed() -> bool:
    return find_spec("pyhanko") is not None


def ask(data: bytes, trust: Trust, at: datetime) -> Reason | None:
    """None: it agrees. `at`: time of the last document stamp. Costs about two seconds.

    Asked as of the last stamp: nothing newer about that stamp's own unit can be in the file, and with today's date
    pyHanko would want it (`TRY_LATER`). Whether that unit has expired since is our own rules' business.
    """
    call = {"trust": trust.pem().decode(), "at": at.isoformat(), "data": base64.b64encode(data).decode()}
    room = str(Path(__file__).parents[1])
    try:
        child = subprocess.run(
            [sys.executable, "-s", "-m", "signing", "second"],
            input=json.dumps(call).encode(),
            capture_output=True,
            timeout=SECONDS * 3,
            env={"PATH": os.environ.get("PATH", ""), "PYTHONPATH": room, "PYTHONIOENCODING": "utf-8"},
            check=False,
        )
        said = json.loads(child.stdout) if child.returncode == 0 else None
    except (subprocess.TimeoutExpired, OSError, ValueError):
        said = None
    if said is None:
        return reason("second.failed")
    if said["problem"]:
        return reason("second.disagrees", why=said["problem"])
    return None


def child_main() -> int:
    """The child's side: limits first, then read the call from stdin, answer on stdout."""
    import logging
    import resource

    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    logging.disable()  # pyHanko logs whole tracebacks of what it then reports in a word
    call = json.loads(sys.stdin.buffer.read())
    trust = Trust.from_pem(call["trust"].encode())
    problem = opinion(base64.b64decode(call["data"]), trust, datetime.fromisoformat(call["at"]))
    sys.stdout.write(json.dumps({"problem": problem}))
    return 0


def opinion(data: bytes, trust: Trust, at: datetime) -> str:
    """What pyHanko holds against the file, in this process; empty where it agrees. May raise or take anything."""
    from pyhanko.pdf_utils.reader import PdfFileReader
    from pyhanko.sign.validation.ades import ades_lta_validation
    from pyhanko.sign.validation.policy_decl import PdfSignatureValidationSpec
    from pyhanko_certvalidator.ltv.types import ValidationTimingInfo

    from signing import asn1_repair

    asn1_repair.apply()
    reader = PdfFileReader(io.BytesIO(data), strict=True)
    found = list(reader.embedded_regular_signatures)
    moment = ValidationTimingInfo(validation_time=at, best_signature_time=at, point_in_time_validation=False)
    if len(found) != 2:
        return f"{len(found)} signatures"
    for one in found:
        spec = PdfSignatureValidationSpec(_policy(trust))
        out = asyncio.run(ades_lta_validation(one, spec, timing_info=moment))
        status = out.api_status
        if out.ades_subindic.name != "OK" or status is None:
            return f"{one.field_name}: {out.ades_subindic.name}"
        if not (status.intact and status.valid and status.docmdp_ok) or status.modification_level is None:
            return f"{one.field_name}: changed after it was signed"
        if out.oldest_evidence_record_timestamp is None:
            return f"{one.field_name}: no document stamp vouches for it"
    return ""


def _policy(trust: Trust) -> Any:
    """Nothing fetched, revocation data wanted wherever a certificate names a service, SHA-2 and up."""
    from asn1crypto import x509 as asn1_x509
    from cryptography.hazmat.primitives import serialization as form
    from pyhanko.sign.validation import policy_decl
    from pyhanko_certvalidator.context import CertValidationPolicySpec
    from pyhanko_certvalidator.policy_decl import CertRevTrustPolicy, RevocationCheckingPolicy
    from pyhanko_certvalidator.registry import SimpleTrustManager

    def who(certs: Any) -> CertValidationPolicySpec:
        roots = [asn1_x509.Certificate.load(c.public_bytes(form.Encoding.DER)) for c in certs]
        return CertValidationPolicySpec(
            trust_manager=SimpleTrustManager.build(trust_roots=roots),
            revinfo_policy=CertRevTrustPolicy(RevocationCheckingPolicy.from_legacy("hard-fail")),
            time_tolerance=timedelta(minutes=5),
        )

    gathering = policy_decl.RevocationInfoGatheringSpec(
        online_fetching_rule=policy_decl.RevinfoOnlineFetchingRule.LOCAL_ONLY
    )
    return policy_decl.SignatureValidationSpec(
        cert_validation_policy=who(trust.signers),
        ts_cert_validation_policy=who(trust.stamps),
        revinfo_gathering_policy=gathering,
    )
