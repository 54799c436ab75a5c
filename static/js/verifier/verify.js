// Whether a file is a deed of a trusted office, unchanged: numbered steps, one verdict, never an exception. The second
// edition of signing/verify.py, in a browser: no network, nothing uploaded, no code but this folder's.
import { ACTS } from "./steps.js";
import { Refused, cannotTell, reasonOf, remarkOf, sentence } from "./verdict.js";
import { digest } from "./keys.js";
import { hex } from "./der.js";
import { fromPem } from "./x509.js";

const LARGEST = 30_000_000;
const utc = (at) => new Date(at).toISOString().replace(/\.\d+Z$/, "Z");

// PEM -> whom a verifier trusts. The first certificate is the root for signers; all of them may vouch for time stamps.
export function trustFrom(pem) {
  const found = fromPem(pem);
  if (!found.length) throw new Error("no certificate in PEM form");
  return { signers: [found[0]], stamps: found };
}

// SHA-256 of each root's certificate, in hex.
export const fingerprints = (trust) => Promise.all(trust.stamps.map(async (one) => hex(await digest("sha256", one.raw))));

// `data`: Uint8Array. `trust`: of `trustFrom`, or null: never valid, only not invalid. `words`: signing/words.json.
export async function examine(data, trust, words, now = Date.now()) {
  const held = {
    data, trust, now, ours: true, pool: [], kept: [], stamps: [], leaves: [], times: [], words: [], found: {}, signers: [], remarks: [],
    remark(code, why = "") {
      if (!this.remarks.some((one) => one.code === code)) this.remarks.push({ code, why });
    },
  };
  const steps = [];
  let reason = data.length > LARGEST ? { code: "file.size" } : null;
  let verdict = reason ? "invalid" : "valid";
  for (const [no, act] of ACTS.entries()) {
    let outcome = "not done", detail = "";
    if (verdict !== "invalid") {
      try {
        const said = await act(held);
        [outcome, detail] = said === null ? [outcome, ""] : ["passed", said];
      } catch (wrong) {
        // a reader of hostile bytes must not fall over whatever they are
        const refused = wrong instanceof Refused ? wrong : { code: "file.unreadable" };
        const unclear = cannotTell(words, refused.code);
        outcome = unclear ? "cannot tell" : "failed";
        detail = wrong instanceof Refused ? reasonOf(words, refused).en : `${wrong.name}: ${wrong.message}`;
        if (!reason || !unclear) reason = refused;
        verdict = unclear ? "unknown" : "invalid";
      }
    }
    steps.push({ no: no + 1, name: words.steps[no].en, outcome, detail });
  }
  if (verdict === "valid" && !trust) [verdict, reason] = ["unknown", { code: "trust.not-given" }];
  const told = reason && reasonOf(words, reason);
  const good = verdict !== "invalid";
  return {
    verdict, steps,
    sentence: sentence(words, verdict, told, held.found),
    reasons: told ? [told] : [],
    remarks: good ? held.remarks.map((one) => remarkOf(words, one)) : [],
    sha256: hex(await digest("sha256", data)),
    size: data.length,
    checked_at: utc(now),
    signers: good ? held.signers : [],
    stamped_at: good && held.times.length ? utc(held.times[0]) : null,
    archived_at: good && held.stamps.length ? utc(held.times[held.times.length - 1]) : null,
    known_at: verdict === "valid" && held.words.length ? utc(Math.min(...held.words)) : null,
    ...(good ? held.found : {}),
  };
}
