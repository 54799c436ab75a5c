// A deed that another office's programs laid out: what must hold all the same. The twin of signing/foreign.py.
import * as pdf from "./pdf.js";
import { Ref, Stream, Text, count, need, need_list, refers, same } from "./pdfvalue.js";
import {
  DSS_LISTS, NOTARY_FIELD, OFFICE_FIELD, changed, checkField, checkNew, checkPermissions, other, signedIn, strictly, without,
} from "./shape.js";
import { Refused } from "./verdict.js";

const ACTIVE = ["AA", "OCProperties"];
const INFO_DATE = /^D:\d{14}(?:Z|[+-]\d\d'\d\d'?)?$/;
const XMP_DATE =
  /((?:ModifyDate|MetadataDate)(?:="|>))\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)(?=["<])/g;
const HELD = ["Length", "Filter"];
const onlyKeys = (held, keys) => [...held.keys()].every((key) => keys.includes(key));

// As in shape.js, for whatever writer. `why`: what our own layout had against it.
export function read(data, why) {
  return strictly(async () => {
    const file = await pdf.read(data, true);
    const form = file.get(need(file.catalogue(), "AcroForm"));
    const fields = need_list(file.get(need(form, "Fields"))).map((one) => file.get(one));
    const names = fields.map((one) => need(one, "T")).map((one) => (one instanceof Text ? one.bytes : null));
    const ours = names[0] === NOTARY_FIELD && names[1] === OFFICE_FIELD;
    if (!ours || names.length < 3 || new Set(names).size !== names.length) throw other("other form fields");
    const homes = fields.map((one) => homeOf(file, need(one, "V")));
    if (homes.some((home, no) => no && home <= homes[no - 1])) throw other("signatures in another order");
    const signed = fields.map((one, no) => signedIn(file, one, homes[no], no > 1));
    if (signed[signed.length - 1].end !== data.length) throw new Refused("shape.appended");
    checkPermissions(file, fields, signed);
    refuseActive(file, form, homes[0]);
    const kept = [];
    for (let no = 2; no < homes.length; no++) kept.push(await keptIn(file, no > 2 ? homes[no - 1] : -1, homes[no]));
    const [notary, office, ...stamps] = signed;
    const remark = { code: "layout.other", why };
    return { file, notary, office, stamps, kept, certified: homes[0], sealed: homes[1], remark };
  }, other);
}

// The body that the notary signed says that it is one of our format; nobody can take that from it.
export function isFormat(file, certified) {
  try {
    const names = attachments(file, certified);
    return names.has("facts.json") && names.has("layout.json");
  } catch {
    return false;
  }
}

// What a revision carries, by name; empty where it carries nothing.
export function attachments(file, revision) {
  const held = file.get(file.catalogue(revision).get("Names"), revision) ?? new Map();
  const tree = file.get(held.get("EmbeddedFiles"), revision) ?? new Map();
  const names = need_list(file.get(tree.get("Names") ?? [], revision));
  if (names.length % 2) throw other("names of attachments");
  const found = new Map();
  for (let no = 0; no < names.length; no += 2) {
    if (names[no] instanceof Text) found.set(names[no].bytes, names[no + 1]);
  }
  return found;
}

function homeOf(file, value) {
  const homes = file.revisions.flatMap((one, no) => (value instanceof Ref && one.places.has(value.number) ? [no] : []));
  if (homes.length !== 1) throw other("a signature was written twice");
  return homes[0];
}

// A signed page must look the same on every day: no layers, no scripts, no form behind the form.
function refuseActive(file, form, certified) {
  const catalogue = file.catalogue(certified);
  const names = file.get(catalogue.get("Names"), certified) ?? new Map();
  const opening = file.get(catalogue.get("OpenAction"), certified);
  const acts = opening instanceof Map && opening.get("S") !== "GoTo";
  if (ACTIVE.some((key) => catalogue.has(key)) || form.has("XFA") || names.has("JavaScript") || acts) {
    throw other("active content");
  }
}

// ---- long-term data

const dssOf = (file, revision) => file.get(file.catalogue(revision).get("DSS"), revision) ?? new Map();

function listsOf(file, revision) {
  const held = dssOf(file, revision);
  if (!onlyKeys(held, [...DSS_LISTS, "VRI", "Type"])) throw changed("long-term data of another form");
  return Object.fromEntries(DSS_LISTS.map((name) => [name, need_list(file.get(held.get(name) ?? [], revision))]));
}

// What came between two stamps. `begin` -1: since ever.
async function keptIn(file, begin, end) {
  const now = listsOf(file, end);
  const before = begin >= 0 ? listsOf(file, begin) : {};
  const found = [];
  for (const name of DSS_LISTS) {
    const streams = now[name].slice((before[name] ?? []).length).map((ref) => file.get(ref, end));
    const twice = now[name].some((ref, no) => now[name].findIndex((one) => same(one, ref)) !== no);
    if (twice || streams.some((one) => !onlyKeys(one.head, HELD))) throw changed(`long-term data: ${name}`);
    found.push(await Promise.all(streams.map((one) => one.inflated())));
  }
  return { certs: found[0], ocsps: found[1], crls: found[2] };
}

// Numbers of everything that hangs on `value`: streams of data, lists and dictionaries, nothing that is drawn.
function reached(file, value, revision, seen = new Set()) {
  if (value instanceof Ref) {
    if (seen.has(value.number)) return seen;
    seen.add(value.number);
    value = file.get(value, revision);
  }
  if (value instanceof Stream && !onlyKeys(value.head, HELD)) throw changed("long-term data of another form");
  const parts = value instanceof Map ? value.values() : Array.isArray(value) ? value : [];
  for (const one of parts) reached(file, one, revision, seen);
  return seen;
}

// ---- what came after the notary's signature

export function checkChanges(shape) {
  return strictly(() => {
    const { file } = shape;
    const fields = file.get(need(file.get(need(file.catalogue(), "AcroForm")), "Fields"));
    const stamps = new Map(shape.stamps.map((one, no) => [homeOf(file, one.ref), [one, fields[2 + no]]]));
    for (let revision = shape.certified + 1; revision <= file.last; revision++) {
      if (file.revisions[revision].inside.size) throw changed("objects in a stream");
      checkTrailer(file, revision);
      checkLists(file, revision);
      const held = file.catalogue(revision).get("DSS");
      const may = [[file.root, ["DSS"]]];
      if (held instanceof Ref) may.push([held, [...DSS_LISTS, "VRI"]]);
      const hanging = reached(file, held, revision).add(file.revisions[revision].own);
      if (revision === shape.sealed) {
        checkOld(file, revision, [...may, [fields[1], ["V", "AP"]]], hanging);
      } else if (stamps.has(revision)) {
        checkStamp(file, revision, ...stamps.get(revision), may, hanging);
      } else if ([...checkOld(file, revision, may, hanging)].some((number) => !hanging.has(number))) {
        throw changed("a new object");
      }
    }
  }, changed);
}

function checkTrailer(file, revision) {
  const [old, now] = file.revisions.slice(revision - 1, revision + 1).map((one) => one.trailer);
  const held = (trailer, key) => trailer.get(key) ?? null;
  const first = (trailer) => (trailer.has("ID") ? need_list(trailer.get("ID"))[0] : null);
  const alike = ["Root", "Info"].every((key) => same(held(old, key), held(now, key))) && same(first(old), first(now));
  if (!alike || count(need(now, "Size")) < count(need(old, "Size"))) throw changed("trailer");
}

// Long-term data that stood there stays, in order.
function checkLists(file, revision) {
  const was = listsOf(file, revision - 1), now = listsOf(file, revision);
  if (DSS_LISTS.some((name) => !same(now[name].slice(0, was[name].length), was[name]))) throw changed("long-term data");
}

// New: the stamp, its invisible field, long-term data. Changed: the lists that name these.
function checkStamp(file, revision, stamp, field, may, hanging) {
  const form = need(file.catalogue(revision), "AcroForm");
  const [before, after] = [revision - 1, revision].map((no) => need_list(file.get(need(file.get(form, no), "Fields"), no)));
  if (!same(after, [...before, field])) throw changed("fields");
  checkField(file, revision, stamp, field);
  may.push([form, ["Fields"]]);
  const fields = need(file.get(form, revision), "Fields"), page = file.get(field, revision).get("P");
  const listed = fields instanceof Ref ? [fields] : [];
  if (page instanceof Ref) {
    const [was, now] = [revision - 1, revision].map((no) => file.get(page, no).get("Annots") ?? []);
    if (was instanceof Ref && same(was, now)) listed.push(was);
    else may.push([page, ["Annots"]]);
    const held = need_list(file.get(was, revision - 1)), found = file.get(now, revision);
    if (!same(found, held) && !same(found, [...held, field])) throw changed("annotations");
  }
  const fresh = checkOld(file, revision, may, hanging, listed);
  checkNew(fresh, field, stamp, (number) => hanging.has(number));
}

// What stood before differs in the keys of `may` alone, or in its date. `listed`: lists that were compared already.
// -> numbers of the objects that are new.
function checkOld(file, revision, may, hanging, listed = []) {
  const info = file.revisions[revision].trailer.get("Info");
  const metadata = file.catalogue(revision).get("Metadata");
  const fresh = new Set();
  for (const number of file.revisions[revision].places.keys()) {
    const ref = new Ref(number);
    if (file.isNew(number, revision)) {
      fresh.add(number);
      continue;
    }
    let was = file.get(ref, revision - 1), now = file.get(ref, revision);
    const found = may.filter(([one]) => refers(one, ref));
    const keys = found.length ? found[found.length - 1][1] : [];
    if (refers(ref, info)) [was, now] = [undated(was), undated(now)];
    else if (refers(ref, metadata)) [was, now] = [undatedText(was), undatedText(now)];
    else if (listed.some((one) => refers(one, ref)) || (Array.isArray(now) && hanging.has(number))) continue;
    if (was instanceof Map && now instanceof Map) [was, now] = [without(was, keys), without(now, keys)];
    if (!same(was, now)) throw changed(`object ${number} in revision ${revision}`);
  }
  return fresh;
}

function undated(info) {
  const date = info.get("ModDate");
  if (date !== undefined && !(date instanceof Text)) throw changed("a date that is none");
  return date && INFO_DATE.test(date.bytes) ? without(info, ["ModDate"]) : info;
}

function undatedText(metadata) {
  if (metadata.head.has("Filter")) return [metadata.head, metadata.raw];
  return [without(metadata.head, ["Length"]), metadata.raw.replace(XMP_DATE, "$1")];
}
