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

export async function register(optionsUrl, addUrl, csrf) {
  const options = await post(optionsUrl, {}, csrf);
  options.challenge = bytes(options.challenge);
  options.user.id = bytes(options.user.id);
  for (const known of options.excludeCredentials || []) known.id = bytes(known.id);
  const made = await navigator.credentials.create({ publicKey: options });
  return post(addUrl, made.toJSON(), csrf);
}

export async function assertion(options) {
  options.challenge = bytes(options.challenge);
  for (const known of options.allowCredentials || []) known.id = bytes(known.id);
  const made = await navigator.credentials.get({ publicKey: options });
  return made.toJSON();
}

const button = document.getElementById("passkey-add");
if (button) {
  const said = document.getElementById("passkey-said");
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      const done = await register(button.dataset.options, button.dataset.add, button.dataset.csrf);
      window.location.assign(done.next);
    } catch (error) {
      said.textContent = said.dataset.failed;
      button.disabled = false;
    }
  });
}
