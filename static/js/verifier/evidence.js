// Was a certificate good at a point in time? By OCSP answers and lists that the file keeps (RFC 6960, RFC 5280 5).
// The twin of signing/evidence.py.
import * as der from "./der.js";
import { digest, hashOf, signedWith } from "./keys.js";
import { signedBy } from "./path.js";
import { Name, NO_CHECK, extensionsOf, load, timeOf } from "./x509.js";

const OLDEST = 24 * 3_600_000, MOST = 64, LARGEST = 1_000_000;
const BASIC = der.oid("1.3.6.1.5.5.7.48.1.1"), OCSP_SIGNING = der.oid("1.3.6.1.5.5.7.3.9");
const INVALIDITY_DATE = der.oid("2.5.29.24");
const NAMING = {
  [der.oid("1.3.14.3.2.26")]: "sha1",
  [der.oid("2.16.840.1.101.3.4.2.1")]: "sha256",
  [der.oid("2.16.840.1.101.3.4.2.2")]: "sha384",
};
const GOOD = 0x80, REVOKED = 0xa1;

class BadEvidence extends Error {}
export class Revoked extends Error {}
export class NoEvidence extends Error {}

// Everything genuine in `kept` ([{ certs, ocsps, crls }, before]) that was made before the time that vouches for it.
async function wordsOn(one, issuer, kept) {
  const found = [];
  for (const [part, before] of kept) {
    const others = certificates(part.certs);
    for (const [reader, items] of [[ocspWord, part.ocsps], [listWord, part.crls]]) {
      for (const raw of items.slice(0, MOST)) {
        if (raw.length > LARGEST) continue;
        const word = await reader(raw, one, issuer, others).catch((wrong) => {
          if (wrong instanceof BadEvidence || wrong instanceof der.BadDer || wrong instanceof TypeError) return null;
          throw wrong;
        });
        if (word && word.issued <= before) found.push(word);
      }
    }
  }
  return found;
}

// Every certificate of the chain but the root was good at `at`; -> when the oldest word was given on which this rests.
export async function judge(path, at, kept) {
  let oldest = kept.length ? Math.max(...kept.map(([, before]) => before)) : at;
  for (let no = 0; no + 1 < path.length; no++) {
    const words = await wordsOn(path[no], path[no + 1], kept);
    if (words.some((word) => word.revoked !== null && word.revoked <= at)) throw new Revoked(`${path[no].name} was revoked`);
    const good = words.filter((word) => word.until >= at && (no || word.isList || word.issued >= at - OLDEST));
    if (!good.length) throw new NoEvidence(`nothing says whether ${path[no].name} was revoked before ${new Date(at).toISOString()}`);
    oldest = Math.min(oldest, Math.max(...good.map((word) => word.issued)));
  }
  return oldest;
}

// Those that can be read, MOST at the most.
export function certificates(raws) {
  const found = [];
  for (const raw of raws.slice(0, MOST)) {
    try {
      found.push(load(raw));
    } catch {
      // one that cannot be read vouches for nobody
    }
  }
  return found;
}

// ---- OCSP

async function ocspWord(raw, one, issuer, others) {
  const [status, bytes] = der.read(raw).list();
  if (status.tag !== der.ENUMERATED || status.body[0] !== 0 || !bytes) throw new BadEvidence("refused");
  const [kind, held] = bytes.the(der.SEQUENCE).children(der.OID, der.OCTETS);
  if (kind.key !== BASIC) throw new BadEvidence("no basic answer");
  const [signed, algorithm, value, carried] = der.read(held.body).list();
  if (value.tag !== der.BIT_STRING || value.body[0] !== 0) throw new BadEvidence("a signature that is no whole number of bytes");
  const parts = signed.list();
  if (parts[0].tag === 0xa0) parts.shift();
  const [responder, produced, answers] = parts;
  const told = answers.list();
  if (told.length !== 1) throw new BadEvidence("speaks of another certificate");
  const [name, said, begins, ...rest] = told[0].list();
  const [naming, nameHash, keyHash, serial] = name.list();
  if (!der.equal(serial.raw, one.serial.raw)) throw new BadEvidence("speaks of another certificate");
  const hash = NAMING[naming.first().key];
  if (!hash) throw new BadEvidence("names its certificate by another digest");
  const names = [await digest(hash, issuer.subject.raw), await digest(hash, issuer.key.bits)];
  if (!der.equal(nameHash.body, names[0]) || !der.equal(keyHash.body, names[1])) {
    throw new BadEvidence("speaks of another issuer's certificate");
  }
  if (said.tag !== GOOD && said.tag !== REVOKED) throw new BadEvidence("the responder does not know this certificate");
  const ends = rest[0]?.tag === 0xa0 ? rest[0].the(der.GENERALIZED_TIME).time() : null;
  if (ends === null || begins.time() > ends) throw new BadEvidence("does not say until when it holds");
  const answer = {
    responder, signed: signed.raw, algorithm, signature: value.body.subarray(1), produced: produced.time(),
    // nothing signs these: one that is damaged vouches for nobody, but makes no answer worthless either
    certificates: carried ? certificates(carried.the(der.SEQUENCE).list().map((node) => node.raw)) : [],
  };
  await checkResponder(answer, issuer, others);
  const revoked = said.tag === REVOKED ? said.list()[0].time() : null;
  return { issued: Math.max(begins.time(), answer.produced), until: ends, revoked, isList: false };
}

// RFC 6960 4.2.2.2: the issuer himself, or a certificate that he signed for this use and said `nocheck` of.
async function checkResponder(answer, issuer, others) {
  const byName = answer.responder.tag === 0xa1 ? new Name(answer.responder.first()).key : null;
  const byKey = answer.responder.tag === 0xa2 ? answer.responder.the(der.OCTETS).body : null;
  for (const one of [issuer, ...answer.certificates, ...others]) {
    if (byName !== null && byName !== one.subject.key) continue;
    if (byKey && !der.equal(byKey, await digest("sha1", one.key.bits))) continue;
    if (!one.is(issuer)) {
      if (!one.extensions.has(NO_CHECK) || !(await signedBy(one, issuer))) continue;
      if (!one.uses.has(OCSP_SIGNING) || answer.produced < one.begin || answer.produced > one.end) continue;
    }
    const hash = hashOf(answer.algorithm);
    if (hash && one.key.kind && (await one.key.verifies(answer.signature, answer.signed, hash))) return;
  }
  throw new BadEvidence("not signed by who may speak for the issuer");
}

// ---- lists

async function listWord(raw, one, issuer) {
  const [signed, algorithm, value] = der.read(raw).children(der.SEQUENCE, der.SEQUENCE, der.BIT_STRING);
  const parts = signed.list();
  if (parts[0].tag === der.INTEGER) parts.shift();
  const inner = parts.shift(), name = parts.shift(), begins = timeOf(parts.shift());
  if (new Name(name).key !== issuer.subject.key) throw new BadEvidence("a list of somebody else");
  const isTime = (node) => node && (node.tag === der.UTC_TIME || node.tag === der.GENERALIZED_TIME);
  const ends = isTime(parts[0]) ? timeOf(parts.shift()) : null;
  const entries = parts[0]?.tag === der.SEQUENCE ? parts.shift().list() : [];
  const extensions = extensionsOf(parts[0]?.tag === 0xa0 ? parts[0].the(der.SEQUENCE).list() : []);
  const whole = ![...extensions.values()].some((told) => told.critical);
  const genuine = der.equal(inner.raw, algorithm.raw)
    && (await signedWith(issuer.key, algorithm, value.body.subarray(1), signed.raw));
  if (!genuine || !issuer.usage?.lists || !whole) throw new BadEvidence("a list signed by somebody else, of a part, or indirect");
  if (ends === null) throw new BadEvidence("a list without end");
  return { issued: begins, until: ends, revoked: revokedIn(entries, one), isList: true };
}

// The invalidity date where the list says that the key was lost earlier (RFC 5280 5.3.2).
function revokedIn(entries, one) {
  for (const entry of entries) {
    const [serial, since, more] = entry.list();
    if (!der.equal(serial.raw, one.serial.raw)) continue;
    const told = more ? extensionsOf(more.list()).get(INVALIDITY_DATE) : undefined;
    return told ? Math.min(timeOf(der.read(told.value, der.GENERALIZED_TIME)), timeOf(since)) : timeOf(since);
  }
  return null;
}
