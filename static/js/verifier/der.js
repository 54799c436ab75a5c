// DER, and nothing laxer (X.690 8, 10, 11). The twin of signing/der.py.

export const INTEGER = 0x02, BIT_STRING = 0x03, OCTETS = 0x04, NULL = 0x05, OID = 0x06, SEQUENCE = 0x30, SET = 0x31;
export const BOOLEAN = 0x01, ENUMERATED = 0x0a, UTC_TIME = 0x17, GENERALIZED_TIME = 0x18;
const DEEPEST = 40;
const TIME = /^([0-9]{14})(\.[0-9]{1,6})?Z$/;

export class BadDer extends Error {}

export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
export const latin = (bytes) => {
  const pieces = [];
  for (let at = 0; at < bytes.length; at += 8192) pieces.push(String.fromCharCode(...bytes.subarray(at, at + 8192)));
  return pieces.join("");
};
export const fromLatin = (text) => Uint8Array.from(text, (char) => char.charCodeAt(0));
export const fromHex = (text) => Uint8Array.from(text.match(/../g) || [], (pair) => parseInt(pair, 16));
export const equal = (one, other) => one.length === other.length && one.every((byte, at) => byte === other[at]);

export function joined(...pieces) {
  const out = new Uint8Array(pieces.reduce((size, piece) => size + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    out.set(piece, at);
    at += piece.length;
  }
  return out;
}

// One element. `raw`: with its header. `body`: without.
export class Node {
  constructor(tag, raw, body) {
    this.tag = tag;
    this.raw = raw;
    this.body = body;
  }

  // Children, where it is constructed.
  list() {
    if (!(this.tag & 0x20)) throw new BadDer("a primitive element has no children");
    const found = [];
    for (let at = 0; at < this.body.length; ) {
      const [child, end] = oneAt(this.body, at);
      found.push(child);
      at = end;
    }
    return found;
  }

  first() {
    const [found] = this.list();
    if (!found) throw new BadDer("an element without children");
    return found;
  }

  // Exactly these children.
  children(...tags) {
    const found = this.list();
    if (found.length !== tags.length || found.some((child, at) => child.tag !== tags[at])) {
      throw new BadDer("other children than expected");
    }
    return found;
  }

  the(tag) {
    return this.children(tag)[0];
  }

  get key() {
    return hex(this.body);
  }

  // INTEGER, also under an implicit tag; minimal (X.690 8.3.2).
  integer() {
    const [a, b] = this.body;
    const long = this.body.length > 1;
    if (a === undefined || (long && ((a === 0 && b < 0x80) || (a === 0xff && b >= 0x80)))) {
      throw new BadDer("an integer that is not minimal");
    }
    const value = BigInt.asIntN(8 * this.body.length, BigInt(`0x${this.key}`));
    return this.body.length < 7 ? Number(value) : value;
  }

  // GeneralizedTime in UTC, with or without a fraction, in milliseconds (RFC 3161 2.4.2).
  time() {
    const found = this.tag === GENERALIZED_TIME && TIME.exec(latin(this.body));
    if (!found) throw new BadDer("no time in UTC");
    return moment(found[1]) + (found[2] ? Number(found[2]) * 1000 : 0);
  }
}

// YYYYMMDDHHMMSS -> milliseconds.
export function moment(digits) {
  const [year, month, day, hour, minute, second] = digits.match(/^(....)(..)(..)(..)(..)(..)$/).slice(1).map(Number);
  const made = new Date(Date.UTC(2000, month - 1, day, hour, minute, second));
  made.setUTCFullYear(year, month - 1, day);
  const same = made.getUTCMonth() === month - 1 && made.getUTCDate() === day && made.getUTCHours() === hour;
  if (!year || !same || minute > 59 || second > 59) throw new BadDer("a time that does not exist");
  return made.getTime();
}

// The one element of `tag` that `raw` is, all of its inside checked.
export function read(raw, tag = SEQUENCE) {
  if (endOf(raw) !== raw.length || raw[0] !== tag) throw new BadDer("another element, or bytes behind it");
  return oneAt(raw, 0)[0];
}

// Where the first element of `raw` ends; what follows may be padding. All of its inside is checked.
export function endOf(raw) {
  return walk(raw, 0, raw.length, 0);
}

// The body of an OBJECT IDENTIFIER in hex (X.690 8.19).
export function oid(dotted) {
  const [first, second, ...others] = dotted.split(".").map(BigInt);
  let out = "";
  for (let arc of [first * 40n + second, ...others]) {
    const piece = [arc & 0x7fn];
    while ((arc >>= 7n)) piece.push((arc & 0x7fn) | 0x80n);
    out += hex(piece.reverse().map(Number));
  }
  return out;
}

// An element of `tag` around `bodies`.
export function wrap(tag, ...bodies) {
  const body = joined(...bodies);
  const size = body.length;
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : size < 0x10000 ? [0x82, size >> 8, size & 0xff]
    : [0x83, size >> 16, (size >> 8) & 0xff, size & 0xff];
  return joined([tag, ...length], body);
}

// -> [start, end] of the body. No tag above 30, no indefinite length, at most three bytes of length.
function header(raw, at, limit) {
  if (at + 2 > limit || raw[at] === 0 || (raw[at] & 0x1f) === 0x1f) throw new BadDer("an element's header");
  let size = raw[at + 1], start = at + 2;
  if (size >= 0x80) {
    const count = size & 0x7f;
    if (count < 1 || count > 3 || start + count > limit) throw new BadDer("a length that is not minimal");
    size = 0;
    for (const byte of raw.subarray(start, start + count)) size = size * 256 + byte;
    start += count;
    if (size < 0x80 || size >> (8 * (count - 1)) === 0) throw new BadDer("a length that is not minimal");
  }
  if (start + size > limit) throw new BadDer("an element longer than its parent");
  return [start, start + size];
}

function oneAt(raw, at) {
  const [start, end] = header(raw, at, raw.length);
  return [new Node(raw[at], raw.subarray(at, end), raw.subarray(start, end)), end];
}

function walk(raw, at, limit, depth) {
  if (depth > DEEPEST) throw new BadDer("too deep");
  const [begin, end] = header(raw, at, limit);
  let start = begin;
  while (raw[at] & 0x20 && start < end) start = walk(raw, start, end, depth + 1);
  return end;
}
