// Signature containers as we accept them: one signer, his certificate inside, nothing unsigned beside (RFC 5652 5).
// The twin of signing/cms.py.
import * as der from "./der.js";
import { digest } from "./keys.js";
import { load } from "./x509.js";

const NULLS = der.fromHex("0500");
const SIGNED_DATA = der.oid("1.2.840.113549.1.7.2");
export const DATA = der.oid("1.2.840.113549.1.7.1");
export const TST_INFO = der.oid("1.2.840.113549.1.9.16.1.4");
const CONTENT_TYPE = der.oid("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST = der.oid("1.2.840.113549.1.9.4");
const SIGNING_CERTIFICATE_V2 = der.oid("1.2.840.113549.1.9.16.2.47");
const STAMP_TOKEN = der.oid("1.2.840.113549.1.9.16.2.14");
const RSA = der.oid("1.2.840.113549.1.1.1");
const HASHES = {
  [der.oid("2.16.840.1.101.3.4.2.1")]: "sha256",
  [der.oid("2.16.840.1.101.3.4.2.2")]: "sha384",
  [der.oid("2.16.840.1.101.3.4.2.3")]: "sha512",
};
const SIGNATURES = {
  sha256: [der.oid("1.2.840.10045.4.3.2"), der.oid("1.2.840.113549.1.1.11")],
  sha384: [der.oid("1.2.840.10045.4.3.3"), der.oid("1.2.840.113549.1.1.12")],
  sha512: [der.oid("1.2.840.10045.4.3.4"), der.oid("1.2.840.113549.1.1.13")],
};

export class BadContainer extends Error {}
export class BadSignature extends BadContainer {}

const sequence = (...bodies) => der.wrap(der.SEQUENCE, ...bodies);
const identifier = (key) => der.wrap(der.OID, der.fromHex(key));

// Name of a digest's AlgorithmIdentifier; parameters absent or NULL.
export function hashOf(algorithm) {
  const first = algorithm.first();
  const name = HASHES[first.key];
  const spellings = [sequence(first.raw), sequence(first.raw, NULLS)];
  if (!name || first.tag !== der.OID || !spellings.some((one) => der.equal(one, algorithm.raw))) throw new BadContainer("digest is not accepted");
  return name;
}

// `kind`: TST_INFO or DATA. BadContainer; nothing is trusted yet, call `check`.
export async function read(raw, kind) {
  try {
    return await readStrictly(raw, kind);
  } catch (wrong) {
    if (wrong instanceof BadContainer) throw wrong;
    throw new BadContainer(`unreadable: ${wrong.message}`);
  }
}

async function readStrictly(raw, kind) {
  const [outer, held] = der.read(raw).children(der.OID, 0xa0);
  if (outer.key !== SIGNED_DATA) throw new BadContainer("no signed data");
  const parts = held.the(der.SEQUENCE).list();
  if (parts.map((one) => one.tag).join() !== [der.INTEGER, der.SET, der.SEQUENCE, 0xa0, der.SET].join()) {
    throw new BadContainer("more or less inside than one signer and certificates");
  }
  const [version, digests, inner, certificates, signers] = parts;
  const stamp = kind === TST_INFO;
  const content = inner.list();
  if (content.map((one) => one.tag).join() !== (stamp ? [der.OID, 0xa0] : [der.OID]).join() || content[0].key !== kind) {
    throw new BadContainer("signed content is another");
  }
  if (version.integer() !== (stamp ? 3 : 1)) throw new BadContainer("version is another");
  const info = signers.the(der.SEQUENCE).list();
  const tags = [der.INTEGER, der.SEQUENCE, der.SEQUENCE, 0xa0, der.SEQUENCE, der.OCTETS];
  if (info.map((one) => one.tag).join() !== (stamp ? tags : [...tags, 0xa1]).join()) {
    throw new BadContainer("other attributes than a signature of ours");
  }
  if (info[0].integer() !== 1) throw new BadContainer("version is another");
  const hash = hashOf(info[2]);
  if (!der.equal(digests.the(der.SEQUENCE).raw, info[2].raw)) throw new BadContainer("two digest algorithms");
  const [leaf, others] = certificatesIn(certificates, info[1]);
  const attributes = attributesIn(info[3]);
  const need = (name) => {
    if (!attributes.has(name)) throw new BadContainer("an attribute is missing");
    return attributes.get(name);
  };
  if (need(CONTENT_TYPE).the(der.OID).key !== kind) throw new BadContainer("signed content type is another");
  await checkBinding(need(SIGNING_CERTIFICATE_V2), leaf);
  let token = null;
  if (!stamp) {
    const unsigned = attributesIn(info[6]);
    if (unsigned.size !== 1 || !unsigned.has(STAMP_TOKEN)) throw new BadContainer("other unsigned attributes than one time stamp");
    token = unsigned.get(STAMP_TOKEN).the(der.SEQUENCE).raw;
  }
  return {
    content: stamp ? content[1].the(der.OCTETS).body : null,
    leaf, others, hash, token,
    messageDigest: need(MESSAGE_DIGEST).the(der.OCTETS).body,
    signed: der.wrap(der.SET, info[3].body),
    algorithm: info[4].raw,
    signature: info[5].body,
  };
}

// The signer's by issuer and serial (RFC 5652 5.3), spelt as in the certificate; the others each once.
function certificatesIn(held, sid) {
  const raws = held.list().map((one) => one.raw);
  if (new Set(raws.map(der.hex)).size !== raws.length || raws.length > 8) {
    throw new BadContainer("too many certificates, or one twice");
  }
  const found = raws.map(load);
  for (const one of found) {
    if (der.equal(sid.raw, sequence(one.issuer.raw, one.serial.raw))) return [one, found.filter((other) => other !== one)];
  }
  throw new BadContainer("its signer's certificate is not inside");
}

function attributesIn(held) {
  const found = new Map();
  for (const one of held.list()) {
    if (one.tag !== der.SEQUENCE) throw new BadContainer("an attribute that is none");
    const [kind, values] = one.children(der.OID, der.SET);
    if (found.has(kind.key)) throw new BadContainer("an attribute stands twice");
    found.set(kind.key, values);
  }
  return found;
}

// ESSCertIDv2 (RFC 5035): SHA-256 unless said. The first names the signer's certificate.
async function checkBinding(values, leaf) {
  const parts = values.the(der.SEQUENCE).first().first().list();
  const name = parts[0].tag === der.SEQUENCE ? hashOf(parts.shift()) : "sha256";
  if (parts[0].tag !== der.OCTETS || !der.equal(parts[0].body, await digest(name, leaf.raw))) {
    throw new BadContainer("bound to another certificate");
  }
}

// `over`: the container's digest over the content. BadSignature, BadContainer.
export async function check(one, over) {
  if (!der.equal(one.messageDigest, over)) throw new BadSignature("signed digest is another");
  const [byEc, byRsa] = SIGNATURES[one.hash].map(identifier);
  const spelt = (...spellings) => spellings.some((spelling) => der.equal(one.algorithm, spelling));
  const { key } = one.leaf;
  const fits = key.kind === "ec" ? spelt(sequence(byEc))
    : key.kind === "rsa" && spelt(sequence(byRsa, NULLS), sequence(identifier(RSA), NULLS));
  if (!fits) throw new BadContainer("kind of key or algorithm is not accepted");
  if (!(await key.verifies(one.signature, one.signed, one.hash))) throw new BadSignature("signature is wrong");
}
