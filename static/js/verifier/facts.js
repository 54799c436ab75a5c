// Strict JSON: a name given twice is refused, two readers could take different ones. The twin of signing/facts.py.

const LIMIT = 4_000_000;
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\]:,]|[^\s"{}[\]:,]+/g;

export class BadFacts extends Error {}

export function loadJson(raw) {
  if (raw.length > LIMIT) throw new BadFacts(`larger than ${LIMIT} bytes`);
  let text, data;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(raw);
    data = JSON.parse(text);
  } catch (wrong) {
    throw new BadFacts(`not JSON: ${wrong.message}`);
  }
  refuseTwice(text);
  if (typeof data !== "object" || data === null || Array.isArray(data)) throw new BadFacts("not a JSON object");
  return data;
}

// `text` is JSON already; only the names of every object are looked at.
function refuseTwice(text) {
  const open = [];
  let before = "";
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === "{") open.push(new Set());
    else if (token === "[") open.push(null);
    else if (token === "}" || token === "]") open.pop();
    else if (token === ":") {
      const names = open[open.length - 1], name = JSON.parse(before);
      if (names.has(name)) throw new BadFacts("a name stands twice in one object");
      names.add(name);
    }
    before = token;
  }
}
