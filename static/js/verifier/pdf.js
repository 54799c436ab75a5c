// PDF as deeds are written: classic indexes, one revision behind another, nothing between. The twin of signing/pdf.py.
import { latin } from "./der.js";
import * as packed from "./packed.js";
import { BadPdf, Ref, Stream, match, need, valueAt } from "./pdfvalue.js";

const MOST_REVISIONS = 64, MOST_OBJECTS = 20_000, LONGEST = 400_000;
const HEADER = /(\d{1,7}) 0 obj[\0\t\n\f\r ]+/y;
const STREAM = /[\0\t\n\f\r ]*stream\r?\n/y;
const END_STREAM = /\r?\n?endstream[\0\t\n\f\r ]+endobj\n/y;
const END = /[\0\t\n\f\r ]*endobj\n/y;
const SECTION = /(\d{1,7}) (\d{1,7})\n/y;
const ENTRY = /(\d{10}) (\d{5}) ([nf])(?: \n|\r\n| \r)/y;
const TRAILER = /trailer[\0\t\n\f\r ]+/y;
const START = /[\0\t\n\f\r ]*startxref\n(\d{1,10})\n%%EOF(\n?)/y;
const TAIL = /startxref\n(\d{1,10})\n%%EOF\n?$/;
const TRAILER_KEYS = new Set(["Size", "Root", "Info", "ID", "Prev"]);

// `revisions`: { start, end, places: Map of offsets by number, trailer, index: place of the index, own: its number where it
// is compressed, inside: Map of [stream, place] by number }, oldest first. `text`: one character a byte.
export class File {
  constructor(bytes, text, revisions, unpacked = new Map()) {
    this.bytes = bytes;
    this.text = text;
    this.revisions = revisions;
    this.known = new Map();
    this.unpacked = unpacked; // by offset of the stream: opened, or what is wrong with it
  }

  // The same file as it was at the end of a revision.
  upTo(revision) {
    return new File(this.bytes, this.text, this.revisions.slice(0, revision + 1), this.unpacked);
  }

  get last() {
    return this.revisions.length - 1;
  }

  // What a reference points to as of a revision; anything else is itself.
  get(ref, revision = this.last) {
    if (!(ref instanceof Ref)) return ref;
    for (let no = revision; no >= 0; no--) {
      const place = this.revisions[no].places.get(ref.number);
      if (place !== undefined) return this.objectAt(place, ref.number)[0];
      if (this.revisions[no].inside.has(ref.number)) return this.insideOf(this.revisions[no], ref.number);
    }
    throw new BadPdf("a reference to nothing");
  }

  // From a stream of objects, which the same revision wrote.
  insideOf(one, number) {
    const [home, place] = one.inside.get(number);
    const held = this.unpacked.get(one.places.get(home));
    if (!held || held instanceof Error) throw held ?? new BadPdf("no stream of objects");
    return packed.valueIn(held, number, place);
  }

  // Inflating takes its time in a browser: every stream of objects is opened before anybody asks.
  async unpack() {
    for (const one of this.revisions) {
      for (const [home] of one.inside.values()) {
        const at = one.places.get(home);
        if (at === undefined || this.unpacked.has(at)) continue;
        try {
          this.unpacked.set(at, await packed.opened(this.objectAt(at, home)[0]));
        } catch (wrong) {
          this.unpacked.set(at, wrong);
        }
      }
    }
    return this;
  }

  // -> [value, offset behind `endobj`].
  objectAt(at, number) {
    if (!this.known.has(at)) this.known.set(at, objectIn(this.text, at));
    const [found, value, end] = this.known.get(at);
    if (found !== number) throw new BadPdf("two numbers for one object");
    return [value, end];
  }

  get root() {
    return need(this.revisions[this.last].trailer, "Root");
  }

  catalogue(revision = this.last) {
    const found = this.get(this.root, revision);
    if (!(found instanceof Map)) throw new BadPdf("no catalogue");
    return found;
  }

  isNew(number, revision) {
    return !this.revisions.slice(0, revision).some((one) => one.places.has(number) || one.inside.has(number));
  }
}

// -> [number, value, offset behind `endobj`].
function objectIn(text, at) {
  const head = match(HEADER, text, at);
  if (!head) throw new BadPdf("no such object there");
  const begin = at + head[0].length;
  let [value, length] = valueAt(text.slice(begin, begin + LONGEST), 0, 0);
  let end = begin + length, close;
  const stream = match(STREAM, text, end);
  if (stream) {
    const size = value instanceof Map ? value.get("Length") : undefined;
    if (typeof size !== "number" || size < 0 || size > text.length) throw new BadPdf("a stream of unknown length");
    const start = end + stream[0].length;
    value = new Stream(value, text.slice(start, start + size));
    end = start + size;
    close = match(END_STREAM, text, end);
  } else {
    close = match(END, text, end);
  }
  if (!close) throw new BadPdf("an object does not end");
  return [Number(head[1]), value, end + close[0].length];
}

// Every revision. BadPdf where something stands between, behind or twice. `compressed`: its index may be a stream, in
// every revision or in none; ours never is.
export async function read(bytes, compressed = false) {
  const text = latin(bytes);
  const tail = TAIL.exec(text.slice(-40));
  if (!tail || !/^%PDF-[12]\./.test(text)) throw new BadPdf("no PDF, or cut off");
  const found = [];
  for (let at = Number(tail[1]); at !== null; ) {
    if (found.length >= MOST_REVISIONS) throw new BadPdf("too many revisions");
    const one = compressed && text[at] !== "x" ? await packedIndex(text, at) : index(text, at);
    if (found.length && Boolean(found[0].own) !== Boolean(one.own)) throw new BadPdf("an index of two kinds");
    found.unshift(one);
    const before = one.trailer.get("Prev") ?? null;
    if (before !== null && (typeof before !== "number" || before <= 0 || before >= at)) {
      throw new BadPdf("an index before that is none");
    }
    at = before;
  }
  found.forEach((one, no) => (one.start = no ? found[no - 1].end : 0));
  const file = new File(bytes, text, found);
  if (found[found.length - 1].end !== text.length) throw new BadPdf("bytes behind the last revision");
  found.forEach((one, no) => checkRevision(file, no, one));
  return file.unpack();
}

// A revision by its index.
function index(text, at) {
  if (!text.startsWith("xref\n", at)) throw new BadPdf("no index there");
  const places = new Map();
  const seen = new Set();
  let here = at + 5;
  for (let section; (section = match(SECTION, text, here)); ) {
    const first = Number(section[1]), size = Number(section[2]);
    here += section[0].length;
    if (places.size + size > MOST_OBJECTS) throw new BadPdf("too many objects");
    for (let number = first; number < first + size; number++) {
      const entry = match(ENTRY, text, here);
      if (!entry || seen.has(number)) throw new BadPdf("a line of the index");
      here += entry[0].length;
      const free = entry[3] === "f";
      if (free !== (number === 0) || entry[2] !== (free ? "65535" : "00000")) throw new BadPdf("a freed object");
      if (!free) {
        places.set(number, Number(entry[1]));
        seen.add(number);
      }
    }
  }
  const word = match(TRAILER, text, here);
  if (!word) throw new BadPdf("no trailer");
  here += word[0].length;
  const [trailer, length] = valueAt(text.slice(here, here + LONGEST), 0, 0);
  here += length;
  if (!(trailer instanceof Map)) throw new BadPdf("no end of a revision");
  return ended(text, here, { index: at, places, trailer, own: 0, inside: new Map() });
}

async function packedIndex(text, at) {
  const [number, stream, here] = objectIn(text, at);
  const { places, inside, trailer } = await packed.index(stream, MOST_OBJECTS);
  if ((places.get(number) ?? at) !== at || inside.has(number) || !number) throw new BadPdf("an index that is another object");
  return ended(text, here, { index: at, places, trailer, own: number, inside });
}

function ended(text, here, one) {
  const { trailer } = one;
  const start = match(START, text, here);
  if (!start || Number(start[1]) !== one.index) throw new BadPdf("no end of a revision");
  if (!(trailer.get("Root") instanceof Ref) || [...trailer.keys()].some((key) => !TRAILER_KEYS.has(key))) {
    throw new BadPdf("another trailer");
  }
  return { ...one, end: here + start[0].length };
}

// Its objects lie in it; in later ones they touch each other from the first byte to the index.
function checkRevision(file, no, one) {
  let at = one.start;
  for (const [number, place] of [...one.places].sort((a, b) => a[1] - b[1])) {
    if (number === one.own) continue; // the index itself
    if (place < one.start || place >= one.index || (no && place !== at)) {
      throw new BadPdf("an object of another revision, or bytes between objects");
    }
    if (no) at = file.objectAt(place, number)[1];
  }
  if (no && at !== one.index) throw new BadPdf("bytes between objects and index");
}
