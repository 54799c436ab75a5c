// A compressed index and objects that lie in streams (ISO 32000-1 7.5.7, 7.5.8), as other writers make them.
// The twin of signing/packed.py.
import { latin } from "./der.js";
import { BadPdf, Stream, match, need, need_list, valueAt } from "./pdfvalue.js";

const KEYS = ["Type", "Index", "W", "Filter", "DecodeParms", "Length"];
const PAIR = /[\0\t\n\f\r ]*(\d{1,10})[\0\t\n\f\r ]+(\d{1,10})/y;
const LONGEST = 400_000, UP = 2;

// A cross-reference stream -> { places, inside, trailer }: offsets, objects in streams, and what stands for a trailer.
export async function index(stream, most) {
  if (!(stream instanceof Stream) || stream.head.get("Type") !== "XRef") throw new BadPdf("no index there");
  const { head } = stream;
  const widths = need_list(need(head, "W")), size = need(head, "Size");
  const spans = need_list(head.get("Index") ?? [0, size]);
  const whole = [...widths, size, ...spans].every((one) => typeof one === "number" && one >= 0);
  if (!whole || widths.length !== 3 || Math.max(...widths) > 8 || spans.length % 2) throw new BadPdf("an index of another form");
  const width = widths.reduce((sum, one) => sum + one, 0);
  const rows = await rowsOf(stream, width);
  const counts = [];
  for (let no = 0; no < spans.length; no += 2) counts.push([spans[no], spans[no + 1]]);
  const total = counts.reduce((sum, [, count]) => sum + count, 0);
  if (total > most || total * width !== rows.length) throw new BadPdf("too many objects, or too few lines");
  const places = new Map(), inside = new Map();
  let at = 0;
  for (const [first, count] of counts) {
    for (let number = first; number < first + count; number++) {
      const fields = widths.map((one) => rows.subarray(at, (at += one)).reduce((sum, byte) => sum * 256 + byte, 0));
      const kind = widths[0] ? fields[0] : 1;
      const known = places.has(number) || inside.has(number);
      if (known || (kind === 0) !== (number === 0) || kind > 2 || (kind === 1 && fields[2])) throw new BadPdf("a line of the index");
      if (kind === 1) places.set(number, fields[1]);
      else if (kind === 2) inside.set(number, [fields[1], fields[2]]);
    }
  }
  return { places, inside, trailer: new Map([...head].filter(([key]) => !KEYS.includes(key))) };
}

// Its data, without the predictor that most writers put before it (ISO 32000-1 7.4.4.4).
async function rowsOf(stream, width) {
  const head = new Map([...stream.head].filter(([key]) => key !== "DecodeParms"));
  const data = await new Stream(head, stream.raw).inflated();
  const told = stream.head.get("DecodeParms") ?? null;
  if (told !== null && !(told instanceof Map)) throw new BadPdf("a filter that we do not use");
  if (told === null || (told.get("Predictor") ?? 1) === 1) return data;
  const predictor = need(told, "Predictor");
  if (typeof predictor !== "number" || predictor < 10 || (told.get("Columns") ?? 1) !== width) {
    throw new BadPdf("a filter that we do not use");
  }
  if (data.length % (width + 1)) throw new BadPdf("half a line of the index");
  const out = new Uint8Array((data.length / (width + 1)) * width);
  for (let at = 0, to = 0; at < data.length; at += width + 1, to += width) {
    const kind = data[at];
    if (kind !== 0 && kind !== UP) throw new BadPdf("a filter that we do not use");
    for (let no = 0; no < width; no++) {
      out[to + no] = data[at + 1 + no] + (kind === UP && to ? out[to + no - width] : 0);
    }
  }
  return out;
}

// An object stream, ready for `valueIn`.
export async function opened(held) {
  if (!(held instanceof Stream) || held.head.get("Type") !== "ObjStm" || held.head.has("Extends")) {
    throw new BadPdf("no stream of objects");
  }
  const text = latin(await held.inflated()), first = need(held.head, "First");
  if (typeof first !== "number" || first < 0 || first > text.length) throw new BadPdf("no stream of objects");
  const head = text.slice(0, first), pairs = [];
  for (let at = 0, found; (found = match(PAIR, head, at)); at += found[0].length) pairs.push([Number(found[1]), Number(found[2])]);
  return { text, first, pairs };
}

// The object `number` that stands at `place` in an opened object stream.
export function valueIn({ text, first, pairs }, number, place) {
  if (place >= pairs.length || pairs[place][0] !== number) throw new BadPdf("no such object there");
  const at = first + pairs[place][1];
  return valueAt(text.slice(at, at + LONGEST), 0, 0)[0];
}
