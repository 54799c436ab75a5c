// Digests and signatures by the browser's own WebCrypto. What `cryptography` does for the Python edition.
import * as der from "./der.js";

const CURVES = {
  [der.oid("1.2.840.10045.3.1.7")]: { name: "P-256", size: 32, order: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n },
  [der.oid("1.3.132.0.34")]: { name: "P-384", size: 48, order: 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n },
  [der.oid("1.3.132.0.35")]: { name: "P-521", size: 66, order: 0x01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n },
};
const EC_KEY = der.oid("1.2.840.10045.2.1"), RSA_KEY = der.oid("1.2.840.113549.1.1.1");
const WEB = { sha1: "SHA-1", sha256: "SHA-256", sha384: "SHA-384", sha512: "SHA-512" };

// What certificates, answers and lists may be signed with: object identifier -> digest.
const ALGORITHMS = {
  [der.oid("1.2.840.10045.4.3.2")]: "sha256",
  [der.oid("1.2.840.10045.4.3.3")]: "sha384",
  [der.oid("1.2.840.10045.4.3.4")]: "sha512",
  [der.oid("1.2.840.113549.1.1.11")]: "sha256",
  [der.oid("1.2.840.113549.1.1.12")]: "sha384",
  [der.oid("1.2.840.113549.1.1.13")]: "sha512",
};
const RSA_ALGORITHMS = new Set(["11", "12", "13"].map((end) => der.oid(`1.2.840.113549.1.1.${end}`)));

export async function digest(name, ...pieces) {
  const data = pieces.length === 1 ? pieces[0] : der.joined(...pieces);
  return new Uint8Array(await crypto.subtle.digest(WEB[name], data));
}

// A public key from its SubjectPublicKeyInfo. `kind`: "ec", "rsa", or "" for one that is not accepted.
export class PublicKey {
  constructor(node) {
    this.raw = node.raw;
    const [algorithm, bits] = node.children(der.SEQUENCE, der.BIT_STRING);
    if (bits.body[0] !== 0) throw new der.BadDer("a key that is no whole number of bytes");
    this.bits = bits.body.subarray(1); // RFC 6960 4.1.1: without header and unused bits
    const [kind, parameter] = algorithm.list();
    this.curve = kind.key === EC_KEY && parameter ? CURVES[parameter.key] : undefined;
    this.kind = this.curve ? "ec" : kind.key === RSA_KEY ? "rsa" : "";
    if (this.kind === "rsa") {
      const modulus = der.read(this.bits).list()[0].integer();
      this.size = BigInt(modulus).toString(2).length;
    }
  }

  get strong() {
    return this.kind === "ec" || (this.kind === "rsa" && this.size >= 2048 && this.size <= 8192);
  }

  // A deed's signers are to last: RSA from 3072 bits (as strong as P-256, NIST SP 800-57 part 1 5.6.1).
  get tooShortToSign() {
    return this.kind === "rsa" && this.size < 3072;
  }

  // Whether `signature` (ECDSA as DER, or RSA PKCS#1 v1.5) over `signed` is this key's.
  async verifies(signature, signed, hash) {
    try {
      if (this.kind === "ec") {
        const rs = this.pair(signature);
        if (!rs) return false;
        const key = await crypto.subtle.importKey("spki", this.raw, { name: "ECDSA", namedCurve: this.curve.name }, false, ["verify"]);
        return await crypto.subtle.verify({ name: "ECDSA", hash: WEB[hash] }, key, rs, signed);
      }
      const kind = { name: "RSASSA-PKCS1-v1_5", hash: WEB[hash] };
      const key = await crypto.subtle.importKey("spki", this.raw, kind, false, ["verify"]);
      return await crypto.subtle.verify(kind.name, key, signature, signed);
    } catch (wrong) {
      if (wrong instanceof DOMException || wrong instanceof der.BadDer) return false;
      throw wrong;
    }
  }

  // r and s side by side, as WebCrypto wants them.
  pair(signature) {
    const halves = der.read(signature).children(der.INTEGER, der.INTEGER).map((one) => BigInt(one.integer()));
    if (halves.some((one) => one <= 0n || one >= this.curve.order)) return null;
    return der.joined(...halves.map((one) => der.fromHex(one.toString(16).padStart(2 * this.curve.size, "0"))));
  }

  // Of the two values s and n - s that make one ECDSA signature the lower must stand there.
  isLower(signature) {
    if (this.kind !== "ec") return true;
    const s = BigInt(der.read(signature).children(der.INTEGER, der.INTEGER)[1].integer());
    return s <= this.curve.order - s;
  }
}

// The digest of an AlgorithmIdentifier for signatures, whose parameters are absent or NULL.
export function hashOf(algorithm) {
  const [name, ...more] = algorithm.list();
  const spelt = more.length === 0 || (more.length === 1 && der.hex(more[0].raw) === "0500");
  return name?.tag === der.OID && spelt ? ALGORITHMS[name.key] : undefined;
}

// Whether the algorithm of a certificate, an answer or a list fits the key, and the arithmetic holds.
export async function signedWith(key, algorithm, signature, signed) {
  const hash = hashOf(algorithm);
  if (!hash || (key.kind === "rsa") !== RSA_ALGORITHMS.has(algorithm.first().key)) return false;
  return Boolean(key.kind) && key.verifies(signature, signed, hash);
}
