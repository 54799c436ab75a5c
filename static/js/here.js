// The page on which a bank checks a deed in its own browser. The file goes nowhere: everything is reckoned here.
import { examine, fingerprints, trustFrom } from "./verifier/verify.js";

const home = document.getElementById("here");
const said = home.dataset;
const words = JSON.parse(said.words);
const form = document.getElementById("here-form");
const status = document.getElementById("here-said");
const answer = document.getElementById("here-answer");
const field = (name) => document.getElementById(`f-${name}`);
const grouped = (hash) => hash.match(/.{4}/g).join(" ");
const time = new Intl.DateTimeFormat(said.lang === "zh" ? "zh-CN" : "en-GB", {
  timeZone: "Asia/Shanghai", year: "numeric", month: "long", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23",
});
let deed = null;
let turn = 0;

const foreign = () => !said.root || form.querySelector("[name=whose]:checked").value === "other";

// Whom to trust: this office's root, or the one that was chosen. null where there is none yet.
async function trusted() {
  if (!foreign()) return trustFrom(said.root);
  const [file] = field("root").files;
  return file ? trustFrom(await file.text()) : null;
}

// Without the word that stands above it already; a date is not torn in two.
function sentence(text, head) {
  const rest = [`${head}：`, `${head}: `].find((begin) => text.startsWith(begin)) ?? "";
  return text.slice(rest.length).replace(/(\d{4})-(\d\d)-(\d\d)/g, "$1\u2011$2\u2011$3");
}

function show(verdict, name) {
  const { lang } = said;
  for (const part of answer.querySelectorAll("[data-verdict]")) {
    part.hidden = part.dataset.verdict !== verdict.verdict;
    part.querySelector("[data-sentence]").textContent = sentence(verdict.sentence[lang], part.querySelector("h2").textContent);
  }
  const signer = (role) => verdict.signers.find((one) => one.role === role)?.name;
  const moment = (at) => at && time.format(new Date(at)) + said.zone;
  const values = {
    file: name, number: verdict.number, concerns: verdict.concerns, office: verdict.office, issued_on: verdict.issued_on,
    notary: signer("notary"), seal: signer("office"), stamped_at: moment(verdict.stamped_at),
    archived_at: moment(verdict.archived_at), known_at: moment(verdict.known_at),
  };
  for (const [key, value] of Object.entries(values)) {
    const [label, place] = [answer.querySelector(`[data-of=${key}]`), answer.querySelector(`[data-value=${key}]`)];
    label.hidden = place.hidden = !value;
    place.textContent = value ?? "";
  }
  const remarks = document.getElementById("here-remarks");
  remarks.hidden = !verdict.remarks.length;
  remarks.replaceChildren(...verdict.remarks.map((one) => Object.assign(document.createElement("li"), { textContent: one[lang] })));
  document.getElementById("here-steps").replaceChildren(
    ...verdict.steps.map((step, no) => {
      const line = answer.querySelector(`template[data-outcome="${step.outcome}"]`).content.cloneNode(true);
      line.querySelector("span").textContent = words.steps[no][lang];
      return line;
    }),
  );
  document.getElementById("here-hash").textContent = grouped(verdict.sha256);
  document.getElementById("here-report").textContent = JSON.stringify(verdict, null, 1);
  document.getElementById("here-what").hidden = verdict.verdict === "valid";
  answer.hidden = false;
  answer.dataset.outcome = verdict.verdict;
  answer.querySelector("[data-verdict]:not([hidden]) h2").focus();
}

function refuse(text) {
  answer.hidden = true;
  status.textContent = text;
}

async function check() {
  const mine = ++turn;
  document.getElementById("here-other").hidden = !foreign();
  if (said.root) document.getElementById("here-ours").hidden = foreign();
  delete answer.dataset.outcome;
  answer.hidden = true;
  status.textContent = "";
  let trust;
  try {
    trust = await trusted();
  } catch {
    refuse(said.badRoot);
    return;
  }
  document.getElementById("here-other-print").textContent = foreign() && trust ? `SHA-256 ${grouped((await fingerprints(trust))[0])}` : "";
  if (!deed) return;
  if (!trust) {
    refuse(said.noRoot);
    return;
  }
  status.textContent = said.reading;
  const verdict = await examine(new Uint8Array(await deed.arrayBuffer()), trust, words);
  if (mine !== turn) return; // another file was chosen meanwhile
  status.textContent = "";
  show(verdict, deed.name);
}

const begin = () => check().catch(() => refuse(said.broken));

field("file").addEventListener("change", () => {
  [deed] = field("file").files;
  begin();
});
field("root").addEventListener("change", begin);
for (const one of form.querySelectorAll("[name=whose]")) one.addEventListener("change", begin);
form.addEventListener("submit", (event) => event.preventDefault());
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  const [dropped] = event.dataTransfer.files;
  if (!dropped || !window.crypto?.subtle) return;
  deed = dropped;
  begin();
});

form.hidden = false;
if (!window.crypto?.subtle) {
  for (const one of form.elements) one.disabled = true;
  refuse(said.insecure);
}
