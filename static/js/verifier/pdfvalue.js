// Values of a PDF, strictly (ISO 32000-1 7.3): no comments, no repair, no key twice. The twin of signing/pdfvalue.py.
// Names are strings, strings are `Text`, dictionaries are Maps, numbers with a point are `Real`.
import { fromLatin, joined } from "./der.js";

const DEEPEST = 24, INFLATED = 8_000_000, DIGITS = 15;
const SPACE = /[\0\t\n\f\r ]*/y;
const NAME = /\/([^\0\t\n\f\r ()<>[\]{}/%]*)/y;
const NUMBER = /[+-]?(?:\d+\.?\d*|\.\d+)/y;
const REFERENCE = /(\d{1,7})[\0\t\n\f\r ]+0[\0\t\n\f\r ]+R(?![A-Za-z0-9])/y;
const WORD = /true|false|null/y;
const HEX = /<([0-9A-Fa-f]*)>/y;
const OCTAL = /[0-7]{1,3}/y;
const ESCAPES = { n: "\n", r: "\r", t: "\t", b: "\b", f: "\f" };
const WORDS = { true: true, false: false, null: null };

export class BadPdf extends Error {}
export class Text {
  constructor(bytes) {
    this.bytes = bytes; // one character a byte
  }
}
export class Real {
  constructor(value) {
    this.value = value;
  }
}
export class Ref {
  constructor(number) {
    this.number = number;
  }
}

export class Stream {
  constructor(head, raw) {
    this.head = head;
    this.raw = raw; // one character a byte
  }

  // Its data. BadPdf for any filter but Flate and for more than INFLATED bytes.
  async inflated() {
    const raw = fromLatin(this.raw);
    const kind = this.head.get("Filter") ?? null;
    if (kind === null) return raw;
    if (kind !== "FlateDecode" || this.head.has("DecodeParms")) throw new BadPdf("a filter that we do not use");
    const pieces = [];
    let size = 0;
    try {
      const reader = new Blob([raw]).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
      for (let one = await reader.read(); !one.done; one = await reader.read()) {
        size += one.value.length;
        if (size > INFLATED) {
          await reader.cancel();
          break;
        }
        pieces.push(one.value);
      }
    } catch {
      throw new BadPdf("a damaged stream");
    }
    if (size > INFLATED) throw new BadPdf("a stream that is too large");
    return joined(...pieces);
  }
}

export function match(pattern, text, at) {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

// One value from `at` -> [value, offset behind it].
export function valueAt(text, at, depth) {
  if (depth > DEEPEST) throw new BadPdf("too deep");
  at += match(SPACE, text, at)[0].length;
  const char = text[at];
  if (char === "<" && text[at + 1] === "<") return dictionary(text, at + 2, depth);
  if (char === "[") return array(text, at + 1, depth);
  if (char === "(") return string(text, at + 1);
  let found;
  if ((found = match(NAME, text, at))) return [found[1], at + found[0].length];
  if ((found = match(HEX, text, at))) {
    const pairs = (found[1] + "0".repeat(found[1].length % 2)).match(/../g) || [];
    return [new Text(pairs.map((pair) => String.fromCharCode(parseInt(pair, 16))).join("")), at + found[0].length];
  }
  if ((found = match(REFERENCE, text, at))) return [new Ref(Number(found[1])), at + found[0].length];
  if ((found = match(NUMBER, text, at))) {
    const real = found[0].includes(".");
    if (found[0].length > (real ? 3 * DIGITS : DIGITS)) throw new BadPdf("a number too long to be held exactly");
    return [real ? new Real(Number(found[0])) : Number(found[0]), at + found[0].length];
  }
  if ((found = match(WORD, text, at))) return [WORDS[found[0]], at + found[0].length];
  throw new BadPdf("not a value");
}

function dictionary(text, at, depth) {
  const found = new Map();
  for (;;) {
    at += match(SPACE, text, at)[0].length;
    if (text.startsWith(">>", at)) return [found, at + 2];
    let key, value;
    [key, at] = valueAt(text, at, depth + 1);
    if (typeof key !== "string" || key.includes("#") || found.has(key)) {
      throw new BadPdf("a key that is no name, is escaped, or stands twice");
    }
    [value, at] = valueAt(text, at, depth + 1);
    found.set(key, value);
  }
}

function array(text, at, depth) {
  const found = [];
  for (;;) {
    at += match(SPACE, text, at)[0].length;
    if (text[at] === "]") return [found, at + 1];
    let value;
    [value, at] = valueAt(text, at, depth + 1);
    found.push(value);
  }
}

// A literal string with balanced brackets and escapes (7.3.4.2).
function string(text, at) {
  const out = [];
  let open = 1;
  while (at < text.length) {
    let char = text[at++];
    if (char === "\\") {
      const octal = match(OCTAL, text, at);
      if (octal) {
        out.push(String.fromCharCode(parseInt(octal[0], 8) & 0xff));
        at += octal[0].length;
        continue;
      }
      char = text[at++] ?? "";
      out.push(ESCAPES[char] ?? char);
      continue;
    }
    open += char === "(" ? 1 : char === ")" ? -1 : 0;
    if (!open) return [new Text(out.join("")), at];
    out.push(char);
  }
  throw new BadPdf("a string without end");
}

// What a dictionary holds under a key; an error where it holds nothing.
export function need(held, key) {
  if (!(held instanceof Map) || !held.has(key)) throw new BadPdf(`no ${key}`);
  return held.get(key);
}

export function need_list(value) {
  if (!Array.isArray(value)) throw new BadPdf("no list");
  return value;
}

export const refers = (one, other) => one instanceof Ref && other instanceof Ref && one.number === other.number;
export const says = (value, text) => value instanceof Text && value.bytes === text;

// A number; what is true counts as one.
export function count(value) {
  const found = value instanceof Real ? value.value : typeof value === "boolean" ? Number(value) : value;
  if (typeof found !== "number") throw new BadPdf("no number");
  return found;
}

const counts = (value) => value instanceof Real || typeof value === "number" || typeof value === "boolean";

// Alike in everything that a reader could tell apart; 1, 1.0 and true are one.
export function same(one, other) {
  if (one === other) return true;
  if (counts(one) && counts(other)) return count(one) === count(other);
  if (one instanceof Ref) return refers(one, other);
  if (one instanceof Text) return says(other, one.bytes);
  if (one instanceof Stream) return other instanceof Stream && one.raw === other.raw && same(one.head, other.head);
  if (Array.isArray(one)) {
    return Array.isArray(other) && one.length === other.length && one.every((value, at) => same(value, other[at]));
  }
  if (!(one instanceof Map) || !(other instanceof Map) || one.size !== other.size) return false;
  return [...one].every(([key, value]) => other.has(key) && same(value, other.get(key)));
}
