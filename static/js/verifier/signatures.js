// The steps that judge stamps and signatures: each signature at the time of its trusted stamp, each stamp at the time of
// the next one (ETSI EN 319 102-1 5.5, 5.6). The twin of signing/signatures.py.
import * as cms from "./cms.js";
import { oid } from "./der.js";
import * as evidence from "./evidence.js";
import { digest } from "./keys.js";
import * as path from "./path.js";
import * as token from "./token.js";
import { Refused } from "./verdict.js";
import { ATTRIBUTE } from "./x509.js";

const ARC = "2.25.270934868114163917405911713362713842127";
const [NOTARY, OFFICE, STAMP, STATUS] = [1, 2, 3, 4].map((end) => oid(`${ARC}.${end}`));
const ROLES = [NOTARY, OFFICE, STAMP, STATUS];
const DOCUMENT_SIGNING = oid("1.3.6.1.5.5.7.3.36");

export const utc = (at) => new Date(at).toISOString().replace(/\.\d+Z$/, "Z");
export const ordered = (times) => times.every((time, no) => !no || times[no - 1] <= time);

// ---- stamps

// Arithmetic of all first; then each unit at the time of the next stamp, the last one's now.
export async function documentStamps(held) {
  for (const one of held.shape.stamps) {
    const got = await tokenIn(held, one.der, await digest("sha256", ...one.pieces), "document-stamp");
    if (!got.signer.key.isLower(got.signature)) {
      if (held.ours) throw new Refused("stamp.wrong", { who: "document-stamp", why: "its value is written in another spelling" });
      held.remark("stamp.spelling");
    }
    // nothing signs this list, so nothing may stand in it that the stamp does not cover elsewhere
    if (got.others.some((other) => !held.pool.some((known) => known.is(other)))) throw new Refused("stamp.extra");
    held.stamps.push(got);
  }
  held.times = held.stamps.map((one) => one.time);
  if (!ordered(held.times)) throw new Refused("stamp.order");
  held.kept = held.shape.kept.map((one, no) => [one, held.times[no]]);
  for (let no = 0; no + 1 < held.stamps.length; no++) {
    await checkUnit(held, held.stamps[no], held.stamps[no + 1].time, "document-stamp");
  }
  // of the last one nothing newer is known than what it covers: good as of then, and not expired by now
  const last = held.stamps[held.stamps.length - 1];
  await checkUnit(held, last, last.time, "last-stamp");
  checkValid(last, held.now, "last-stamp");
  return held.times.map(utc).join(", ");
}

async function tokenIn(held, raw, over, who) {
  try {
    return await token.check(raw, over, held.roots.stamps, held.now, held.pool);
  } catch (wrong) {
    if (wrong instanceof token.ForeignToken) throw new Refused("trust.stamp", { who, why: wrong.message });
    if (wrong instanceof token.BadToken) throw new Refused("stamp.wrong", { who, why: wrong.message });
    throw wrong;
  }
}

// Somebody had the stamp at `at`: then its unit must still have been good.
async function checkUnit(held, one, at, who) {
  checkValid(one, at, who);
  await checkStatus(held, one.path, at, `${who}-unit`);
}

function checkValid(one, at, who) {
  try {
    path.checkTimes(one.path, at);
  } catch (wrong) {
    if (wrong instanceof path.Expired) throw new Refused("stamp.expired", { who, why: wrong.message });
    throw wrong;
  }
}

async function checkStatus(held, chain, at, who) {
  try {
    held.words.push(await evidence.judge(chain, at, held.kept));
  } catch (wrong) {
    if (wrong instanceof evidence.Revoked) throw new Refused("trust.revoked", { who, why: wrong.message });
    if (wrong instanceof evidence.NoEvidence) throw new Refused("status.missing", { who, why: wrong.message });
    throw wrong;
  }
}

// ---- signatures

export const notary = (held) => signature(held, held.shape.notary, NOTARY, "notary");
export const office = (held) => signature(held, held.shape.office, OFFICE, "office");

// What needs nothing but the file first, whether the certificate was good then last: the last may be unknown.
async function signature(held, one, role, who) {
  let container;
  try {
    container = await cms.read(one.der, cms.DATA);
    await cms.check(container, await digest(container.hash, ...one.pieces));
  } catch (wrong) {
    if (wrong instanceof cms.BadSignature) throw new Refused("signature.wrong", { who });
    if (wrong instanceof cms.BadContainer) throw new Refused("shape.other", { why: `the ${who}'s container: ${wrong.message}` });
    throw wrong;
  }
  if (container.hash !== "sha256") throw new Refused("signature.weak", { who });
  const got = await tokenIn(held, container.token, await digest("sha256", container.signature), `${who}-stamp`);
  const chain = await chainOf(held, container, got.time, who);
  const { leaf } = container;
  if (!may(held, chain, role) || !leaf.uses.has(DOCUMENT_SIGNING) || !leaf.usage?.commit || leaf.usage.certificates) {
    throw new Refused("role.other", { who });
  }
  if (leaf.key.tooShortToSign) throw new Refused("signature.weak", { who });
  const known = (other) => other.key.bits.join() === leaf.key.bits.join() || other.subject.key === leaf.subject.key;
  if (held.leaves.some(known)) throw new Refused("role.same");
  held.times.splice(held.leaves.length, 0, got.time);
  held.leaves.push(leaf);
  const name = leaf.subject.attribute(ATTRIBUTE.common);
  held.signers.push({ role: who, name, issuer: leaf.issuer.attribute(ATTRIBUTE.common), stamped_at: utc(got.time) });
  await checkStatus(held, chain, got.time, who);
  await checkUnit(held, got, held.stamps[0].time, `${who}-stamp`);
  return `${name}, ${utc(got.time)}`;
}

async function chainOf(held, container, at, who) {
  try {
    const chain = await path.build(container.leaf, [...container.others, ...held.pool], held.roots.signers);
    path.checkTimes(chain, at);
    return chain;
  } catch (wrong) {
    if (wrong instanceof path.Expired) throw new Refused("trust.expired", { who, why: wrong.message });
    if (wrong instanceof path.BadPath) throw new Refused("trust.foreign", { who });
    throw wrong;
  }
}

// By policy. Another office's certificates may name none of ours: then field and key usage tell, and we say so.
function may(held, chain, role) {
  if (held.ours || ROLES.some((one) => chain[0].policies.has(one))) return path.allows(chain, role);
  held.remark("role.unnamed");
  return true;
}
