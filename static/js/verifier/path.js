// From a certificate to a trusted root, at one point in time (RFC 5280 6). The twin of signing/path.py.
import { oid } from "./der.js";
import { signedWith } from "./keys.js";
import { KNOWN } from "./x509.js";

const LONGEST = 6, BUDGET = 24, REMEMBERED = 1024;
const ANY_POLICY = oid("2.5.29.32.0");

export class BadPath extends Error {}
export class Expired extends BadPath {}

// The chain by names and signatures alone, leaf first; call `checkTimes` next. BadPath.
export async function build(leaf, others, roots) {
  checkOne(leaf);
  const found = await climb([leaf], others, roots, { left: BUDGET });
  if (!found) throw new BadPath("no chain to a trusted root");
  return found;
}

export function checkTimes(path, at) {
  for (const one of path) {
    if (at < one.begin || at > one.end) {
      const [begin, end] = [one.begin, one.end].map((time) => new Date(time).toISOString().slice(0, 10));
      throw new Expired(`${one.name} is valid from ${begin} to ${end}`);
    }
  }
}

// The leaf is for exactly `policy`, and every authority above it but the root may say so (RFC 5280 6.1).
export function allows(path, policy) {
  const [leaf, ...above] = path.slice(0, -1).length ? path.slice(0, -1) : path;
  const only = leaf.policies.size === 1 && leaf.policies.has(policy);
  return only && above.every((one) => one.policies.has(policy) || one.policies.has(ANY_POLICY));
}

async function climb(path, others, roots, budget) {
  const top = path[path.length - 1];
  if (roots.some((root) => root.is(top))) return path;
  for (const root of roots) {
    if (await issued(top, root, path.length - 1, budget)) return [...path, root];
  }
  if (path.length >= LONGEST) return null;
  for (const one of others) {
    if (!path.some((held) => held.is(one)) && (await issued(top, one, path.length - 1, budget))) {
      checkOne(one);
      const found = await climb([...path, one], others, roots, budget);
      if (found) return found;
    }
  }
  return null;
}

// `below`: authorities between `by` and the leaf.
async function issued(one, by, below, budget) {
  if (one.issuer.key !== by.subject.key || budget.left <= 0 || !isAuthority(by, below)) return false;
  budget.left -= 1;
  return signedBy(one, by);
}

const remembered = new Map();

// Names and signature alone.
export function signedBy(one, by) {
  const id = one.id + by.id;
  if (!remembered.has(id)) {
    if (remembered.size >= REMEMBERED) remembered.clear();
    const spelt = one.oneAlgorithm && one.issuer.key === by.subject.key;
    remembered.set(id, spelt ? signedWith(by.key, one.algorithm, one.signature, one.signed) : Promise.resolve(false));
  }
  return remembered.get(id);
}

function isAuthority(one, below) {
  if (!one.basic || !one.usage) return false;
  return one.basic.authority && one.basic.length >= below && one.usage.certificates;
}

// Sizes of keys and critical extensions.
function checkOne(one) {
  if (!one.key.strong) throw new BadPath(`${one.name}: kind or size of key is not accepted`);
  if ([...one.extensions].some(([kind, told]) => told.critical && !KNOWN.has(kind))) {
    throw new BadPath(`${one.name}: a critical extension is not known`);
  }
}
