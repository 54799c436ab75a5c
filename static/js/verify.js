// The fingerprint is reckoned here, and only the fingerprint goes out. The file itself goes only by the button.

const LARGEST = 30_000_000;
const form = document.getElementById("verify-file-form");
const field = document.getElementById("f-file");
const said = document.getElementById("verify-said");
const button = document.getElementById("verify-by-file");

async function fingerprint(file) {
  const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function check(file) {
  if (file.size > LARGEST) {
    said.textContent = form.dataset.large;
    return;
  }
  said.textContent = form.dataset.reading;
  const sha256 = await fingerprint(file);
  const answer = await fetch(form.action, {
    method: "POST",
    headers: { Accept: "application/json" },
    body: new URLSearchParams({ sha256 }),
    credentials: "omit",
  });
  if (answer.ok) {
    document.getElementById("verify-sha256").value = sha256;
    document.getElementById("verify-hash-form").submit();
    return;
  }
  const told = await answer.json().catch(() => ({}));
  said.textContent = answer.status === 404 ? form.dataset.missed : told.title || form.dataset.failed;
  said.dataset.outcome = answer.status === 404 ? "no-match" : "failed";
  button.focus();
}

if (form && window.crypto && crypto.subtle) {
  button.hidden = true;
  field.addEventListener("change", () => {
    button.hidden = !field.files.length;
    delete said.dataset.outcome;
    if (field.files.length) {
      check(field.files[0]).catch(() => {
        said.textContent = form.dataset.failed;
      });
    }
  });
}
