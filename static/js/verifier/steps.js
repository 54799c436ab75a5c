// The numbered steps of a verification. Each gives a detail, null where there was nothing to do, or throws Refused.
// The twin of signing/steps.py; what it has no means for, the words of a page and an evidence bundle, it leaves out.
import { BadDer } from "./der.js";
import * as evidence from "./evidence.js";
import { BadFacts, loadJson } from "./facts.js";
import * as foreign from "./foreign.js";
import { BadPdf, Stream, need } from "./pdfvalue.js";
import * as shape from "./shape.js";
import * as signatures from "./signatures.js";
import { Refused } from "./verdict.js";
import { ATTRIBUTE } from "./x509.js";

const HEADER = [0x25, 0x50, 0x44, 0x46, 0x2d]; // %PDF-
const VERSION = /^%PDF-(?:1\.[4-7]|2\.0)[\r\n]/;
const NOTICE = "yuanzheng-notice/1";
const FORMATS = ["yuanzheng-facts/1", NOTICE], NOTICES = ["correction", "revocation"];
const LONGEST_ISSUE = 31 * 86_400_000;

function file(held) {
  const begin = String.fromCharCode(...held.data.subarray(0, 9));
  if (HEADER.some((byte, at) => held.data[at] !== byte) || !VERSION.test(begin)) throw new Refused("file.not-pdf");
  return `${held.data.length} bytes`;
}

async function theShape(held) {
  held.shape = await shapeOf(held.data);
  held.ours = isOurs(held.shape);
  held.pool = evidence.certificates(held.shape.kept.flatMap((kept) => kept.certs));
  const own = held.pool.filter((one) => one.issuer.key === one.subject.key);
  // without a given root the file's own, so that the arithmetic is checked all the same
  held.roots = held.trust ?? { signers: own, stamps: own };
  return `${held.shape.file.revisions.length} revisions, ${2 + held.shape.stamps.length} signatures`;
}

// Our own layout first; another's only where another program laid out what the notary signed.
async function shapeOf(data) {
  try {
    return await shape.read(data);
  } catch (strict) {
    if (!(strict instanceof Refused)) throw strict;
    const found = await foreign.read(data, strict.why);
    if (isOurs(found)) throw strict;
    return found;
  }
}

const isOurs = (one) => shape.writtenHere(one.file) && foreign.isFormat(one.file, one.certified);

// Our own layout binds for our own bodies; what is asked of every deed is asked of the others.
async function changes(held) {
  try {
    if (held.shape.remark === null) await shape.checkChanges(held.shape);
  } catch (strict) {
    if (!(strict instanceof Refused) || held.ours) throw strict;
    held.shape = await foreign.read(held.data, strict.why);
  }
  if (held.shape.remark !== null) {
    await foreign.checkChanges(held.shape);
    held.remark(held.shape.remark.code, held.shape.remark.why);
  }
  return "nothing that a reader could see";
}

function times(held) {
  if (!signatures.ordered(held.times) || held.times[2] - held.times[0] > LONGEST_ISSUE) throw new Refused("stamp.order");
  return held.times.map(signatures.utc).join(", ");
}

const own = (data, key) => {
  if (typeof data !== "object" || data === null || !Object.hasOwn(data, key)) throw new BadFacts(`no ${key}`);
  return data[key];
};

async function theFacts(held) {
  const format = foreign.isFormat(held.shape.file, held.shape.certified);
  if (!format && !(await carriesFacts(held.shape))) {
    // another office's document names nobody in our format: then those who signed speak for it
    held.remark("layout.facts");
    const { subject } = held.leaves[1];
    held.found = { office: subject.attribute(ATTRIBUTE.organization) || subject.attribute(ATTRIBUTE.common) };
    return "none of our format";
  }
  let facts, named, found;
  try {
    facts = loadJson(await attached(held.shape, "facts.json"));
    named = [own(own(facts, "notary"), "name"), own(own(facts, "office"), "name")];
    found = { test: own(facts, "test") === true, office: named[1] };
    for (const key of ["number", "issued_on"]) found[key] = String(own(facts, key));
    found.kind = "deed";
    if (facts.format === NOTICE) {
      if (!NOTICES.includes(own(facts, "kind"))) throw new BadFacts("no such notice");
      found = { ...found, kind: facts.kind, concerns: String(own(own(facts, "concerns"), "number")) };
    }
  } catch (wrong) {
    throw new Refused("facts.missing", { why: wrong.message });
  }
  if (named.some((one) => typeof one !== "string")) throw new TypeError("a name that is none");
  const subjects = held.leaves.map((one) => one.subject);
  const agree = named.every((one, no) => subjects[no].attribute(ATTRIBUTE.common).includes(one))
    && subjects[0].attribute(ATTRIBUTE.organization) === named[1];
  const id = facts.notary.id ?? null;
  if (!agree || (id !== null && subjects[0].attribute(ATTRIBUTE.serial) !== id)) throw new Refused("facts.signer");
  held.found = found;
  return found.number;
}

async function carriesFacts(one) {
  try {
    return FORMATS.includes(loadJson(await attached(one, "facts.json")).format);
  } catch (wrong) {
    if ([BadFacts, BadPdf, BadDer, TypeError, Refused].some((kind) => wrong instanceof kind)) return false;
    throw wrong;
  }
}

// A file that the sealed revision carries, by its name.
async function attached({ file: pdf, sealed }, name) {
  const specs = foreign.attachments(pdf, sealed);
  const spec = pdf.get(need(specs, name), sealed);
  const found = pdf.get(need(pdf.get(need(spec, "EF"), sealed), "F"), sealed);
  if (!(found instanceof Stream)) throw new BadPdf(`no ${name}`);
  return found.inflated();
}

const notDone = () => null;

export const ACTS = [
  file, theShape, changes, signatures.documentStamps, signatures.notary, signatures.office, times, theFacts, notDone, notDone, notDone,
];
