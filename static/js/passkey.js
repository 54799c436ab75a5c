// Passkeys: registration here, assertions for other pages by `assertion(options)`.

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));

async function post(url, body, csrf) {
  const answer = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": csrf },
    body: JSON.stringify(body),
  });
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.title || answer.statusText);
  return said;
}

export async function register(optionsUrl, addUrl, csrf, more = {}) {
  const options = await post(optionsUrl, {}, csrf);
  const also = options.also;
  delete options.also;
  options.challenge = bytes(options.challenge);
  options.user.id = bytes(options.user.id);
  for (const known of options.excludeCredentials || []) known.id = bytes(known.id);
  const made = await navigator.credentials.create({ publicKey: options });
  const body = { credential: made.toJSON(), ...more };
  if (also) body.assertion = await assertion(also);
  return post(addUrl, body, csrf);
}

export async function assertion(options) {
  options.challenge = bytes(options.challenge);
  for (const known of options.allowCredentials || []) known.id = bytes(known.id);
  const made = await navigator.credentials.get({ publicKey: options });
  return made.toJSON();
}

// A button that acts with a passkey: data-options gives the challenge, data-send takes the answer, both get the fields
// of the form around it; what is wrong is said in the element that data-said names.
function fieldsOf(form) {
  const fields = {};
  for (const [name, value] of new FormData(form)) {
    if (name === "cases") (fields.cases ||= []).push(value);
    else if (name !== "csrf_token") fields[name] = value;
  }
  return fields;
}

for (const act of document.querySelectorAll("[data-passkey]")) {
  const said = document.getElementById(act.dataset.said);
  act.addEventListener("click", async () => {
    act.disabled = true;
    said.textContent = said.dataset.waiting || "";
    try {
      const fields = fieldsOf(act.form);
      const options = await post(act.dataset.options, fields, act.dataset.csrf);
      const done = await post(act.dataset.send, { ...fields, assertion: await assertion(options) }, act.dataset.csrf);
      window.location.assign(done.next);
    } catch (error) {
      said.textContent = error instanceof DOMException ? said.dataset.failed : error.message;
      act.disabled = false;
    }
  });
}

const button = document.getElementById("passkey-add");
if (button) {
  const said = document.getElementById("passkey-said");
  const code = document.getElementById("f-code");
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      const more = code ? { code: code.value } : {};
      const done = await register(button.dataset.options, button.dataset.add, button.dataset.csrf, more);
      window.location.assign(done.next);
    } catch (error) {
      said.textContent = error instanceof DOMException ? said.dataset.failed : error.message;
      button.disabled = false;
    }
  });
}
