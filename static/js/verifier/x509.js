// Certificates (RFC 5280 4): what `cryptography` reads for the Python edition.
import * as der from "./der.js";
import { PublicKey } from "./keys.js";

const LARGEST = 20_000, REMEMBERED = 512;
const EXTENSION = {
  basic: der.oid("2.5.29.19"), usage: der.oid("2.5.29.15"), extended: der.oid("2.5.29.37"), policies: der.oid("2.5.29.32"),
};
export const KNOWN = new Set(Object.values(EXTENSION));
export const NO_CHECK = der.oid("1.3.6.1.5.5.7.48.1.5");
const COMMON_NAME = der.oid("2.5.4.3");
export const ATTRIBUTE = { common: COMMON_NAME, organization: der.oid("2.5.4.10"), serial: der.oid("2.5.4.5") };

// A name: `raw` as it is spelt, `key` for comparing what it says, `values` of its attributes.
export class Name {
  constructor(node) {
    if (node.tag !== der.SEQUENCE) throw new der.BadDer("no name");
    this.raw = node.raw;
    this.values = [];
    const parts = node.list().map((part) => {
      if (part.tag !== der.SET) throw new der.BadDer("no name");
      return part.list().map((one) => {
        const [kind, value] = one.list();
        const text = textOf(value);
        this.values.push([kind.key, text]);
        return `${kind.key}=${text}`;
      }).sort();
    });
    this.key = JSON.stringify(parts);
  }

  // The first value of an attribute; empty where there is none.
  attribute(kind) {
    return this.values.find(([found]) => found === kind)?.[1] ?? "";
  }
}

function textOf(node) {
  if (node.tag === 0x0c) return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(node.body);
  if (node.tag === 0x1e) return new TextDecoder("utf-16be", { fatal: true, ignoreBOM: true }).decode(node.body);
  return der.latin(node.body);
}

// UTCTime or GeneralizedTime -> milliseconds (RFC 5280 4.1.2.5).
export function timeOf(node) {
  const text = der.latin(node.body);
  if (node.tag === der.UTC_TIME && /^[0-9]{12}Z$/.test(text)) {
    return der.moment((Number(text.slice(0, 2)) >= 50 ? "19" : "20") + text.slice(0, 12));
  }
  if (node.tag === der.GENERALIZED_TIME && /^[0-9]{14}Z$/.test(text)) return der.moment(text.slice(0, 14));
  throw new der.BadDer("no time");
}

// Extensions by their object identifier in hex: { critical, value }.
export function extensionsOf(nodes) {
  const found = new Map();
  for (const one of nodes) {
    const parts = one.list();
    const critical = parts.length === 3 && parts[1].tag === der.BOOLEAN && parts[1].body[0] !== 0;
    const value = parts[parts.length - 1];
    if (parts.length < 2 || parts.length > 3 || parts[0].tag !== der.OID || value.tag !== der.OCTETS || found.has(parts[0].key)) {
      throw new der.BadDer("an extension");
    }
    found.set(parts[0].key, { critical, value: value.body });
  }
  return found;
}

export class Certificate {
  constructor(raw) {
    const [signed, algorithm, value] = der.read(raw).children(der.SEQUENCE, der.SEQUENCE, der.BIT_STRING);
    const parts = signed.list();
    const version = parts[0].tag === 0xa0 ? parts.shift().the(der.INTEGER).integer() : 0;
    const [serial, inner, issuer, times, subject, key, ...rest] = parts;
    if (![0, 2].includes(version) || serial.tag !== der.INTEGER || serial.integer() <= 0 || value.body[0] !== 0) {
      throw new der.BadDer("a certificate");
    }
    this.raw = raw;
    this.id = der.latin(raw);
    this.signed = signed.raw;
    this.algorithm = algorithm;
    this.oneAlgorithm = der.equal(inner.raw, algorithm.raw);
    this.signature = value.body.subarray(1);
    this.serial = serial;
    this.issuer = new Name(issuer);
    this.subject = new Name(subject);
    [this.begin, this.end] = times.list().map(timeOf);
    this.key = new PublicKey(key);
    const extensions = rest.find((one) => one.tag === 0xa3);
    this.extensions = extensionsOf(extensions ? extensions.the(der.SEQUENCE).list() : []);
    this.readExtensions();
  }

  readExtensions() {
    const of = (kind, tag) => this.extensions.has(kind) && der.read(this.extensions.get(kind).value, tag);
    const basic = of(EXTENSION.basic, der.SEQUENCE);
    if (basic) {
      const parts = basic.list();
      const authority = parts[0]?.tag === der.BOOLEAN && parts.shift().body[0] !== 0;
      this.basic = { authority, length: parts.length ? parts[0].integer() : Infinity };
    }
    const usage = of(EXTENSION.usage, der.BIT_STRING);
    if (usage) {
      const bits = usage.body[1] ?? 0;
      this.usage = {
        sign: Boolean(bits & 0x80), commit: Boolean(bits & 0x40), certificates: Boolean(bits & 0x04), lists: Boolean(bits & 0x02),
      };
    }
    const extended = of(EXTENSION.extended, der.SEQUENCE);
    this.uses = new Set(extended ? extended.list().map((one) => one.key) : []);
    this.usesCritical = Boolean(extended) && this.extensions.get(EXTENSION.extended).critical;
    const policies = of(EXTENSION.policies, der.SEQUENCE);
    this.policies = new Set(policies ? policies.list().map((one) => one.first().key) : []);
  }

  get name() {
    return this.subject.attribute(COMMON_NAME) || "a certificate";
  }

  is(other) {
    return this.id === other.id;
  }
}

const remembered = new Map();

// A certificate all of whose parts can be read. BadDer.
export function load(raw) {
  if (raw.length > LARGEST) throw new der.BadDer("a certificate that is too large");
  const id = der.latin(raw);
  if (!remembered.has(id)) {
    if (remembered.size >= REMEMBERED) remembered.clear();
    remembered.set(id, new Certificate(raw));
  }
  return remembered.get(id);
}

// Every certificate of a PEM file.
export function fromPem(text) {
  const found = [...text.matchAll(/-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/g)];
  return found.map((one) => load(der.fromLatin(atob(one[1].replace(/\s+/g, "")))));
}
