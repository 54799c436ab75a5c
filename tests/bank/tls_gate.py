"""A reverse proxy as an office has it in front: ends TLS, asks for a certificate, and says what was shown (RFC 9440)."""

import base64
import datetime as dt
import http.client
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.conftest import NOON

SECRET = "between-proxy-and-portal"


class Identity:
    """A key and its self-signed certificate, as files."""

    def __init__(self, folder, name, start=NOON - dt.timedelta(days=1), days=4000, host=False):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = (
            x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(start).not_valid_after(start + dt.timedelta(days=days))
        )  # fmt: skip
        if host:
            made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
        self.made = made.sign(key, hashes.SHA256())
        self.pem = self.made.public_bytes(serialization.Encoding.PEM).decode()
        self.der = self.made.public_bytes(serialization.Encoding.DER)
        self.cert, self.key = folder / f"{name}.pem", folder / f"{name}.key"
        self.cert.write_text(self.pem)
        self.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )

    @property
    def header(self):
        return f":{base64.b64encode(self.der).decode()}:"


class Gate:
    """`known`: whose certificates the handshake accepts; `behind`: the port of the portal."""

    def __init__(self, server, known, behind, secret=SECRET):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(server.cert, server.key)
        context.verify_mode = ssl.CERT_OPTIONAL
        for one in known:
            context.load_verify_locations(one.cert)
        outer, self.behind, self.secret = self, behind, secret

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                head = {k: v for k, v in self.headers.items() if k.lower() not in ("client-cert", "host", "connection")}
                shown = self.connection.getpeercert(binary_form=True)
                if shown:
                    head["Client-Cert"] = f':{base64.b64encode(shown).decode()}:;proxy="{outer.secret}"'
                head["X-Forwarded-For"] = "203.0.113.9, 198.51.100.7"
                ahead = http.client.HTTPConnection("127.0.0.1", outer.behind, timeout=20)
                ahead.request(self.command, self.path, body, head)
                reply = ahead.getresponse()
                data = reply.read()
                self.send_response(reply.status)
                self.send_header("Content-Type", reply.headers["Content-Type"])
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_said):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://localhost:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
