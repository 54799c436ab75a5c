// One RFC 3161 time stamp, checked: what it stamps, who made it, when. The twin of signing/token.py.
import * as cms from "./cms.js";
import * as der from "./der.js";
import { digest } from "./keys.js";
import * as path from "./path.js";

const DRIFT = 5 * 60_000, COARSEST = 60_000;
const TIME_STAMPING = der.oid("1.3.6.1.5.5.7.3.8");
const UNITS = { [der.INTEGER]: 1000, 0x80: 1, 0x81: 0.001 };

export class BadToken extends Error {}
export class ForeignToken extends BadToken {}

// Checks one token (CMS ContentInfo, DER) over a SHA-256 digest -> { time, path, others, signature }.
export async function check(raw, over, roots, now, others) {
  let held, made;
  try {
    held = await cms.read(raw, cms.TST_INFO);
    made = timeIn(held.content, over);
    await cms.check(held, await digest(held.hash, held.content));
  } catch (wrong) {
    throw wrong instanceof BadToken ? wrong : new BadToken(wrong.message);
  }
  if (made > now + DRIFT) throw new BadToken(`time ${new Date(made).toISOString()} is off our clock`);
  const chain = await chainOf(held.leaf, [...held.others, ...others], roots);
  try {
    path.checkTimes(chain, made);
  } catch (wrong) {
    if (wrong instanceof path.Expired) throw new BadToken(`chain: ${wrong.message}`);
    throw wrong;
  }
  return { time: made, path: chain, others: held.others, signer: chain[0], signature: held.signature };
}

// TSTInfo (RFC 3161 2.4.2) -> its time.
function timeIn(content, over) {
  const [version, policy, imprint, serial, time, ...rest] = der.read(content).list();
  if (!time || version.integer() !== 1 || policy.tag !== der.OID || serial.tag !== der.INTEGER) {
    throw new BadToken("not a time stamp of version 1");
  }
  const [algorithm, stamped] = imprint.children(der.SEQUENCE, der.OCTETS);
  if (cms.hashOf(algorithm) !== "sha256" || !der.equal(stamped.body, over)) throw new BadToken("imprint is of something else");
  if (rest[0]?.tag === der.SEQUENCE && accuracy(rest.shift()) > COARSEST) throw new BadToken("its clock is too coarse");
  if (rest[0]?.tag === der.BOOLEAN) rest.shift();
  if (rest[0]?.tag === der.INTEGER) rest.shift().integer();
  if (!["", "160", "161", "160,161"].includes(rest.map((one) => one.tag).join())) {
    throw new BadToken("more inside than a time stamp");
  }
  return time.time();
}

function accuracy(node) {
  let total = 0;
  for (const part of node.list()) {
    const value = UNITS[part.tag] ? part.integer() : -1;
    if (value < 0 || value >= 1e6) throw new BadToken("accuracy cannot be read");
    total += UNITS[part.tag] * value;
  }
  return total;
}

// RFC 3161 2.3: timeStamping is the only extended usage, critical, and the key may sign nothing but data.
async function chainOf(leaf, others, roots) {
  let found;
  try {
    found = await path.build(leaf, others, roots);
  } catch (wrong) {
    if (wrong instanceof path.BadPath) throw new ForeignToken(`chain: ${wrong.message}`);
    throw wrong;
  }
  const { usage } = leaf;
  const only = leaf.uses.size === 1 && leaf.uses.has(TIME_STAMPING) && leaf.usesCritical;
  if (!only || !usage || !(usage.sign || usage.commit) || usage.certificates) {
    throw new ForeignToken("chain: its signer is no time-stamp unit");
  }
  return found;
}
