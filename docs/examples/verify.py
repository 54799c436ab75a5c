"""A bank's program that verifies deeds: python verify.py https://notary.example deed.pdf [more.pdf …]

The key stands in the environment as YUANZHENG_KEY; a client certificate, where the bank has registered one, as YUANZHENG_CERT (PEM,
certificate and private key). It asks by file, by SHA-256 and for many at once, checks the office's signature on every answer,
and reads what was revoked. Needs `cryptography`. Exit code 0: every deed is valid; 1: one is not; 2: an answer is not the office's.
"""

import base64
import hashlib
import json
import os
import ssl
import sys
import urllib.error
import urllib.request
import uuid
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class Office:
    def __init__(self, url: str, key: str, certificate: str = "") -> None:
        self.url, self.key = url.rstrip("/"), key
        self.tls = ssl.create_default_context()
        if certificate:
            self.tls.load_cert_chain(certificate)
        keys = json.loads(self.send("GET", "/.well-known/yuanzheng/keys.json"))["keys"]
        self.signers = [bytes_of(one["x"]) for one in keys if one["use"] == "receipt"]

    def send(self, method: str, path: str, body: bytes | None = None, kind: str = "", once: str = "") -> bytes:
        """The answer's body. A 404 is an answer too; any other refusal is raised as urllib has it."""
        head = {"X-API-Key": self.key, "Accept-Language": "en"}
        head |= {"Content-Type": kind} if kind else {}
        head |= {"Idempotency-Key": once} if once else {}
        asked = urllib.request.Request(self.url + path, body, head, method=method)  # noqa: S310 (the bank's own configuration)
        try:
            tls = self.tls if self.url.startswith("https://") else None
            with urllib.request.urlopen(asked, timeout=60, context=tls) as answer:  # noqa: S310
                return bytes(answer.read())
        except urllib.error.HTTPError as refused:
            if refused.code == 404:
                return refused.read()
            raise

    def claims(self, receipt: str) -> dict[str, Any]:
        """What the office signed. Raises ValueError."""
        head, body, signature = receipt.split(".")
        if json.loads(bytes_of(head))["alg"] != "EdDSA":
            raise ValueError("another kind of signature")
        for raw in self.signers:
            try:
                Ed25519PublicKey.from_public_bytes(raw).verify(bytes_of(signature), f"{head}.{body}".encode())
            except InvalidSignature:
                continue
            found: dict[str, Any] = json.loads(bytes_of(body))
            return found
        raise ValueError("not signed with a key that the office publishes")

    def by_file(self, data: bytes) -> dict[str, Any]:
        edge = uuid.uuid4().hex
        head = f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="deed.pdf"\r\n\r\n'
        body = head.encode() + data + f"\r\n--{edge}--\r\n".encode()
        return self.checked("/api/v1/verifications", body, f"multipart/form-data; boundary={edge}")

    def by_hash(self, sha256: str) -> dict[str, Any]:
        return self.checked("/api/v1/verifications", json.dumps({"sha256": sha256}).encode(), "application/json")

    def checked(self, path: str, body: bytes, kind: str) -> dict[str, Any]:
        """An answer whose receipt says the same. After a broken connection send it again with the same key."""
        told: dict[str, Any] = json.loads(self.send("POST", path, body, kind, once=str(uuid.uuid4())))
        if "verdict" in told and told["verdict"] != self.claims(told["receipt"])["verdict"]:
            raise ValueError("the receipt says something else")
        return told

    def many(self, hashes: list[str]) -> list[dict[str, Any]]:
        body = "".join(json.dumps({"sha256": one}) + "\n" for one in hashes).encode()
        return self.lines(
            self.send("POST", "/api/v1/verifications/batch", body, "application/x-ndjson", str(uuid.uuid4()))
        )[0]

    def revocations(self, after: int = 0) -> list[dict[str, Any]]:
        """Keep `next` of the last page: the next time begin from there."""
        found: list[dict[str, Any]] = []
        while True:
            page, end = self.lines(self.send("GET", f"/api/v1/revocations?after={after}"))
            found, after = found + page, end["next"]
            if not end["more"]:
                return found

    def lines(self, text: bytes) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Lines and the last one, whose receipt is over all before it."""
        *lines, last = text.splitlines(keepends=True)
        end: dict[str, Any] = json.loads(last)
        if self.claims(end["receipt"])["sha256"] != hashlib.sha256(b"".join(lines)).hexdigest():
            raise ValueError("the receipt is over other lines")
        return [json.loads(one) for one in lines], end


def bytes_of(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def main() -> int:
    office = Office(sys.argv[1], os.environ["YUANZHENG_KEY"], os.environ.get("YUANZHENG_CERT", ""))
    files = {}
    for name in sys.argv[2:]:
        with open(name, "rb") as file:  # noqa: PTH123
            files[name] = file.read()
    bad = 0
    for name, data in files.items():
        sha256 = hashlib.sha256(data).hexdigest()
        by_hash, by_file = office.by_hash(sha256), office.by_file(data)
        print(f"{name}: by hash {by_hash.get('verdict', by_hash.get('code'))}, by file {by_file['verdict']}")
        bad += by_file["verdict"] != "valid"
    for line in office.many([hashlib.sha256(data).hexdigest() for data in files.values()]):
        print(f"batch line {line['line']}: {line.get('verdict') or line['problem']['code']}")
    for one in office.revocations():
        print(f"{one['type']} {one['number']} at {one['at']}")
    print("every receipt is the office's")
    return int(bad > 0)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ValueError as wrong:
        print(f"not the office's answer: {wrong}", file=sys.stderr)
        sys.exit(2)
