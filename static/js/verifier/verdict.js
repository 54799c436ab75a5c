// What a verification ends in. The twin of signing/verdict.py, with the same words: whoever starts the verifier gives
// it signing/words.json.

const put = (text, values) => text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? "");
const LANGUAGES = ["zh", "en"];
const both = (of) => Object.fromEntries(LANGUAGES.map((lang) => [lang, of(lang)]));

// A step failed. `code` and `who` are keys into the words.
export class Refused extends Error {
  constructor(code, { who = "", why = "" } = {}) {
    super(`${code} ${why}`);
    this.code = code;
    this.who = who;
    this.why = why;
  }
}

export function reasonOf(words, { code, who, why }) {
  const told = words.reasons[code];
  return { code, etsi: told.etsi, ...both((lang) => put(told[lang], { who: who && words.who[who][lang], why })) };
}

export function remarkOf(words, { code, why }) {
  return { code, ...both((lang) => put(words.remarks[code][lang], { why })) };
}

export const cannotTell = (words, code) => words.reasons[code].verdict === "unknown";

// The answer first, for somebody at a counter.
export function sentence(words, verdict, reason, found) {
  const said = words.sentences;
  return both((lang) => {
    if (verdict !== "valid") return put(said[verdict][lang], { reason: reason[lang] });
    const kind = found.kind ?? "valid-without-facts";
    const notice = !["deed", "valid-without-facts"].includes(kind);
    return put(said[kind][lang], found) + (found.test ? said.test[lang] : "") + said[notice ? "unchanged" : "alone"][lang];
  });
}
