// The one shape that our house gives a deed, and of every revision exactly what it writes there.
// The twin of signing/shape.py.
import * as der from "./der.js";
import * as pdf from "./pdf.js";
import { BadPdf, Ref, Stream, Text, count, need, need_list, refers, same, says } from "./pdfvalue.js";
import { Refused } from "./verdict.js";

export const NOTARY_FIELD = "NotarySig", OFFICE_FIELD = "OfficeSeal", STAMP_FIELD = "DocumentStamp";
const CERTIFIED = 2, SEALED = 3;
const CONTAINER = /^<([0-9A-F]+)>$/;
export const NEW_STAMP = new Set(["Contents", "ByteRange", "Type", "Filter", "SubFilter"]);
export const NEW_FIELD = new Set(["FT", "T", "TU", "Type", "Subtype", "F", "Rect", "P", "V"]);
export const DSS_LISTS = ["Certs", "OCSPs", "CRLs"];

export const other = (why) => new Refused("shape.other", { why });
export const changed = (why) => new Refused("changes.after-seal", { why });
export const within = (held, allowed) => [...held.keys()].every((key) => allowed.has(key));
const stampField = (no) => (no === 0 ? STAMP_FIELD : `${STAMP_FIELD}${no + 1}`);

// Runs `act`; whatever is not a refusal becomes the one that `otherwise` makes.
export async function strictly(act, otherwise) {
  try {
    return await act();
  } catch (wrong) {
    throw wrong instanceof Refused ? wrong : otherwise(wrong.message);
  }
}

// Everything but what later revisions change, which `checkChanges` sees to.
export function read(data) {
  return strictly(async () => {
    const file = await pdf.read(data);
    const stamps = file.revisions.length - 1 - SEALED;
    if (stamps < 1) throw other(`${file.revisions.length} revisions`);
    const names = [NOTARY_FIELD, OFFICE_FIELD, ...Array.from({ length: stamps }, (_, no) => stampField(no))];
    const form = file.get(need(file.catalogue(), "AcroForm"));
    const fields = need_list(need(form, "Fields")).map((one) => file.get(one));
    const named = fields.map((one) => need(one, "T"));
    if (!alike(named, names) || form.size !== 2 || !form.has("SigFlags")) throw other("other form fields");
    const signed = fields.map((one, no) => signedIn(file, one, CERTIFIED + no, no > 1));
    if (signed[signed.length - 1].end !== data.length) throw new Refused("shape.appended");
    checkPermissions(file, fields, signed);
    const kept = signed.slice(2).map((_, no) => keptIn(file, SEALED + 1 + no));
    const [notary, office, ...rest] = signed;
    return { file, notary, office, stamps: rest, kept, certified: CERTIFIED, sealed: SEALED, remark: null };
  }, other);
}

const alike = (texts, names) => texts.length === names.length && texts.every((text, at) => says(text, names[at]));

// The container stands in its own revision and covers the file up to that revision's end. Its byte range leaves out
// exactly one hexadecimal string in capitals, and the padding in it is zero.
export function signedIn(file, field, revision, stamp) {
  const ref = need(field, "V"), one = file.revisions[revision];
  if (!(ref instanceof Ref) || file.revisions.filter((held) => held.places.has(ref.number)).length !== 1) {
    throw other("a signature was written twice");
  }
  if (need(field, "FT") !== "Sig" || !one.places.has(ref.number)) throw other("a signature stands in another revision");
  const place = one.places.get(ref.number);
  const [value, end] = file.objectAt(place, ref.number);
  const [type, subFilter] = stamp ? ["DocTimeStamp", "ETSI.RFC3161"] : ["Sig", "ETSI.CAdES.detached"];
  if (need(value, "Type") !== type || need(value, "SubFilter") !== subFilter) throw other("another kind of signature");
  const range = need_list(need(value, "ByteRange"));
  const [zero, first, second, length] = range;
  const whole = range.length === 4 && range.every((one) => typeof one === "number");
  if (!whole || zero !== 0 || !(place < first && first < second && second < end) || second + length !== one.end) {
    throw other("byte range");
  }
  const found = CONTAINER.exec(file.text.slice(first, second));
  if (!found) throw new Refused("shape.container");
  if (found[1].length % 2) throw new BadPdf("half a byte");
  const raw = der.fromHex(found[1]);
  if (!says(need(value, "Contents"), der.latin(raw))) throw other("two readings of one container");
  const stop = der.endOf(raw);
  if (raw.subarray(stop).some((byte) => byte)) throw new Refused("shape.padding");
  if (!(need(field, "T") instanceof Text)) throw new BadPdf("a name that is none");
  return {
    ref, der: raw.subarray(0, stop), end: second + length,
    pieces: [file.bytes.subarray(0, first), file.bytes.subarray(second, second + length)],
  };
}

// Notary: certification with P=2. Office: everything locked, P=1 (ISO 32000-2 12.8.2.2, 12.8.2.4).
export function checkPermissions(file, fields, signed) {
  if (!same(need(file.catalogue(), "Perms"), new Map([["DocMDP", signed[0].ref]]))) throw other("another certification");
  const only = (of) => {
    const found = need_list(need(file.get(of.ref), "Reference"));
    if (found.length !== 1) throw new BadPdf("more than one transform");
    return [need(found[0], "TransformMethod"), file.get(need(found[0], "TransformParams"))];
  };
  let [method, params] = only(signed[0]);
  if (method !== "DocMDP" || !same(need(params, "P"), 2)) throw other("certification level");
  [method, params] = only(signed[1]);
  const lock = file.get(need(fields[1], "Lock"));
  const said = [method, need(params, "Action"), need(params, "P"), need(lock, "Action"), need(lock, "P")];
  if (!same(said, ["FieldMDP", "All", 1, "All", 1])) throw other("the seal's lock");
}

// What this revision adds to the long-term data; what stood there stays, in order.
function keptIn(file, revision) {
  const now = dssOf(file, revision);
  const before = revision > SEALED + 1 ? dssOf(file, revision - 1) : new Map();
  const found = DSS_LISTS.map((name) => {
    const refs = now.get(name) ?? [], old = before.get(name) ?? [];
    if (!same(refs.slice(0, old.length), old)) throw changed(`long-term data: ${name}`);
    const fresh = refs.slice(old.length);
    const numbers = new Set(refs.map((ref) => ref.number));
    if (numbers.size !== refs.length || fresh.some((ref) => !file.revisions[revision].places.has(ref.number))) {
      throw changed(`long-term data: ${name}`);
    }
    const streams = fresh.map((ref) => file.get(ref, revision));
    if (streams.some((one) => !(one instanceof Stream) || one.head.size !== 1 || !one.head.has("Length"))) {
      throw changed(`long-term data: ${name}`);
    }
    return streams.map((one) => der.fromLatin(one.raw));
  });
  return { certs: found[0], ocsps: found[1], crls: found[2] };
}

function dssOf(file, revision) {
  const ref = file.catalogue(revision).get("DSS");
  if (!(ref instanceof Ref)) throw changed("no long-term data");
  const found = file.get(ref, revision);
  if (!(found instanceof Map)) throw new BadPdf("no long-term data");
  const lists = [...found.values()];
  if (!within(found, new Set(DSS_LISTS)) || lists.some((refs) => need_list(refs).some((one) => !(one instanceof Ref)))) {
    throw changed("long-term data of another form");
  }
  return found;
}

// ---- what each revision may change

// Every revision writes what this house writes in it and nothing else. Up to the seal the office's own signature covers
// what is new; from there on nobody's of ours does.
export function checkChanges(shape) {
  return strictly(() => {
    const { file } = shape;
    checkTrailers(file);
    const form = need(file.catalogue(), "AcroForm");
    const fields = need(file.get(form), "Fields");
    checkCertified(file, form, fields.slice(0, 2));
    check(file, SEALED, [[fields[1], ["V", "AP"]]]);
    shape.stamps.forEach((stamp, no) => checkStamp(file, SEALED + 1 + no, stamp, form, fields[2 + no]));
  }, changed);
}

// What the notary signed was written by this house. It cannot be taken back: whatever follows, its own layout binds a
// deed that began so.
export function writtenHere(file) {
  if (!file.text.startsWith("%PDF-1.7\n")) return false;
  try {
    const begun = file.upTo(CERTIFIED);
    if (begun.revisions.some((one) => one.own)) return false;
    const ref = need(begun.catalogue(), "AcroForm");
    const form = begun.get(ref);
    const fields = need_list(need(form, "Fields"));
    const names = fields.map((one) => need(begun.get(one), "T"));
    if (form.size !== 2 || !form.has("SigFlags") || !alike(names, [NOTARY_FIELD, OFFICE_FIELD])) return false;
    checkTrailers(begun);
    checkCertified(begun, ref, fields);
  } catch {
    return false;
  }
  return true;
}

// Revision 1 brings both fields, revision 2 the notary's signature.
function checkCertified(file, form, fields) {
  check(file, 1, [[file.root, ["AcroForm"]]], fields);
  check(file, CERTIFIED, [[file.root, ["Extensions", "Version", "Perms"]], [form, ["SigFlags"]], [fields[0], ["V", "AP"]]]);
}

function checkTrailers(file) {
  file.revisions.slice(1).forEach(({ trailer: now }, no) => {
    const { trailer: old } = file.revisions[no];
    const alike = ["Root", "Info"].every((key) => same(need(old, key), need(now, key)))
      && same(need_list(need(old, "ID"))[0], need_list(need(now, "ID"))[0]);
    if (!alike || count(need(now, "Size")) < count(need(old, "Size")) || need(now, "ID").length !== 2) throw changed("trailer");
  });
}

export const without = (held, keys) => new Map([...held].filter(([key]) => !keys.includes(key)));

// Objects that stood before differ in the keys of `may` alone, or are pages that got `annotated` as their last
// annotations. -> numbers of the objects that are new.
function check(file, revision, may, annotated = null) {
  const fresh = new Set();
  for (const number of file.revisions[revision].places.keys()) {
    const ref = new Ref(number);
    if (file.isNew(number, revision)) {
      fresh.add(number);
      continue;
    }
    const was = file.get(ref, revision - 1), now = file.get(ref, revision);
    const found = may.filter(([one]) => refers(one, ref));
    let keys = found.length ? found[found.length - 1][1] : [];
    if (annotated?.length && !found.length && need(was, "Type") === "Page") {
      if (!same(need(now, "Annots"), [...(was.get("Annots") ?? []), ...annotated])) throw changed("annotations");
      keys = ["Annots"];
    }
    const dictionaries = was instanceof Map && now instanceof Map;
    if (!dictionaries || !same(without(was, keys), without(now, keys))) throw changed(`object ${number} in revision ${revision}`);
  }
  return fresh;
}

// New: the stamp, its invisible field, long-term data. Changed: the lists that name these.
function checkStamp(file, revision, stamp, form, field) {
  const dss = need(file.catalogue(revision), "DSS");
  const may = [[form, ["Fields"]], [dss, DSS_LISTS]];
  if (revision === SEALED + 1) may.push([file.root, ["DSS"]]);
  const [before, after] = [revision - 1, revision].map((no) => need_list(need(file.get(form, no), "Fields")));
  if (!same(after, [...before, field])) throw changed("fields");
  const fresh = check(file, revision, may, [field]);
  const kept = new Set([...dssOf(file, revision).values()].flat().map((ref) => ref.number));
  checkNew(fresh, field, stamp, (number) => kept.has(number) || number === dss.number);
  checkField(file, revision, stamp, field);
}

export function checkNew(fresh, field, stamp, allowed) {
  const own = [field.number, stamp.ref.number];
  if (!own.every((number) => fresh.has(number)) || [...fresh].some((number) => !own.includes(number) && !allowed(number))) {
    throw changed("a new object");
  }
}

// The stamp's field cannot be seen, and the stamp carries nothing but itself.
export function checkField(file, revision, stamp, field) {
  const seen = file.get(field, revision), value = file.get(stamp.ref, revision);
  const place = need_list(need(seen, "Rect")).map(count);
  const hidden = place.length === 4 && place.every((side) => side === 0);
  if (!within(seen, NEW_FIELD) || !hidden || need(seen, "Subtype") !== "Widget" || !refers(need(seen, "V"), stamp.ref)) {
    throw changed("a field that can be seen");
  }
  if (!within(value, NEW_STAMP)) throw changed("the stamp carries more");
}

