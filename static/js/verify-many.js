// Up to fifty files: each fingerprint is reckoned here, only the fingerprints go out, and the table is made here too.

const LARGEST = 30_000_000;
const form = document.getElementById("many-form");
const field = document.getElementById("f-files");
const button = document.getElementById("many-ask");
const said = document.getElementById("many-said");
const bar = document.getElementById("many-progress");
const results = document.getElementById("many-results");
const list = document.getElementById("many-list");
const after = document.getElementById("many-after");
const again = document.getElementById("many-again");
const columns = JSON.parse(form?.dataset.columns ?? "[]");
let rows = [];
let busy = false;

// One quoted cell. A spreadsheet would take what begins like a formula for one, and a file's name is a stranger's text.
export function cell(text) {
  const safe = /^\s*[=+\-@＝＋－＠|%\t\r\n]/u.test(text) ? `'${text}` : text;
  return `"${safe.replaceAll('"', '""')}"`;
}

export function table(some) {
  const lines = [columns.map(([, title]) => cell(title))];
  for (const row of some) {
    lines.push(columns.map(([name]) => cell(row[name] ?? "")));
  }
  return `\ufeff${lines.map((line) => line.join(",")).join("\r\n")}\r\n`;
}

const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_all, name) => values[name]);

async function fingerprint(file) {
  const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// What can be said of a file before anybody is asked; `sha256` where it could be read.
async function read(file) {
  const row = { name: file.name, verdict: "unread", mark: "stop", word: form.dataset.unreadWord, said: form.dataset.unread };
  if (file.size > LARGEST) {
    return { ...row, said: form.dataset.large };
  }
  try {
    if (file.size > 0) {
      const sha256 = await fingerprint(file);
      const waiting = { verdict: "unasked", mark: "", word: form.dataset.unaskedWord, said: form.dataset.unasked };
      return { ...row, ...waiting, sha256 };
    }
  } catch {
    // a folder, or a file that is gone: said in its own row, and the others go on
  }
  return row;
}

async function ask() {
  const open = rows.filter((row) => row.sha256);
  if (!open.length) {
    return "";
  }
  said.textContent = form.dataset.asking;
  try {
    const answer = await fetch(form.action, {
      method: "POST",
      headers: { Accept: "application/json", "Content-Type": "application/json" },
      body: JSON.stringify({ sha256: open.map((row) => row.sha256) }),
      credentials: "same-origin",
    });
    const told = await answer.json();
    if (!answer.ok) {
      return told.detail ? `${told.title} ${told.detail}` : told.title || form.dataset.failed;
    }
    open.forEach((row, at) => Object.assign(row, told.rows[at]));
    return "";
  } catch {
    return form.dataset.failed;
  }
}

function show(wrong) {
  list.replaceChildren(
    ...rows.map((row) => {
      const line = document.querySelector(`template[data-mark="${row.mark}"]`).content.firstElementChild.cloneNode(true);
      line.dataset.verdict = row.verdict;
      line.querySelector("[data-name]").textContent = row.name;
      line.querySelector("[data-said]").textContent = [row.said, row.number].filter(Boolean).join(" ");
      const pill = line.querySelector(".yz-st");
      pill.lastChild.textContent = row.word;
      return line;
    }),
  );
  const valid = rows.filter((row) => row.verdict === "valid").length;
  said.textContent = wrong || fill(form.dataset.done, { all: rows.length, valid, other: rows.length - valid });
  said.dataset.outcome = wrong ? "failed" : "done";
  results.hidden = after.hidden = false;
  again.hidden = !wrong;
  results.focus();
}

async function take(files) {
  if (busy || !files.length) {
    return;
  }
  if (files.length > Number(form.dataset.most)) {
    said.textContent = form.dataset.many;
    said.dataset.outcome = "failed";
    return;
  }
  busy = true;
  delete said.dataset.outcome;
  results.hidden = true;
  bar.hidden = false;
  bar.max = files.length;
  rows = [];
  for (const file of files) {
    said.textContent = fill(form.dataset.hashing, { n: rows.length + 1, all: files.length });
    rows.push(await read(file));
    bar.value = rows.length;
  }
  const wrong = await ask();
  bar.hidden = true;
  show(wrong);
  busy = false;
}

function save() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([table(rows)], { type: "text/csv;charset=utf-8" }));
  link.download = `verification-${new Date().toISOString().slice(0, 16).replaceAll(":", "")}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

if (form && window.crypto && crypto.subtle) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (field.files.length) {
      take([...field.files]);
    } else {
      field.focus();
    }
  });
  field.addEventListener("change", () => take([...field.files]));
  for (const kind of ["dragenter", "dragover"]) {
    form.addEventListener(kind, (event) => {
      event.preventDefault();
      form.classList.add("yz-dropzone--over");
    });
  }
  for (const kind of ["dragleave", "drop"]) {
    form.addEventListener(kind, () => form.classList.remove("yz-dropzone--over"));
  }
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    take([...event.dataTransfer.files]);
  });
  again.addEventListener("click", async () => show(await ask()));
  document.getElementById("many-csv").addEventListener("click", save);
}
