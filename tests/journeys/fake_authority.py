"""A gateway of the kind that `notary/authority.py` speaks to, with people of its own in its register."""

import base64
import hashlib
import hmac
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

SECRET = b"sixteen bytes or more"


class Gateway:
    """`people`: number -> name. `spoil` may change the (body, signature) that goes out; `asked`: questions so far."""

    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.people = {}
        self.checked = ["holder", "card"]
        self.asked = []
        self.refused = 0
        self.spoil = lambda body, signature: (body, signature)
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                mac = base64.b64decode(self.headers["X-Client-MAC"])
                if not hmac.compare_digest(mac, hmac.digest(SECRET, body, hashlib.sha256)):
                    gateway.refused += 1
                    self.send_error(401)
                    return
                raw, signature = gateway.spoil(*gateway.answer(json.loads(body)))
                self.send_response(200)
                self.send_header("X-Signature", signature)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/verify"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, asked):
        self.asked.append(asked)
        known = self.people.get(asked["number"])
        outcome = "not-found" if known is None else "agrees" if known == asked["name"] else "differs"
        raw = json.dumps(
            {
                "question": asked["question"],
                "outcome": outcome,
                "checked": self.checked,
                "reference": f"R-{len(self.asked)}",
            }
        ).encode()
        return raw, self.sign(raw)

    def sign(self, raw):
        return base64.b64encode(self.key.sign(raw, ec.ECDSA(SHA256()))).decode()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
