// What both pages of an interview need: forms that go out without a reload, and a state that is fetched again.

export const csrf = () => document.querySelector("meta[name=csrf-token]").content;

/** Sends a form; resolves to the answer's JSON. Throws {title} in the office's own words. */
export async function send(form, submitter = null, body = null) {
  const url = submitter?.hasAttribute("formaction") ? submitter.formAction : form.action;
  const data = body ? JSON.stringify(body) : new URLSearchParams(new FormData(form, submitter));
  const headers = { Accept: "application/json", "X-CSRFToken": csrf() };
  if (body) headers["Content-Type"] = "application/json";
  const reply = await fetch(url, { method: "POST", credentials: "same-origin", headers, body: data });
  const said = reply.status === 204 ? {} : await reply.json().catch(() => ({}));
  if (!reply.ok) throw { title: said.title ?? "", status: reply.status };
  return said;
}

/**
 * Every <form data-fetch> goes out by fetch. `done(form, submitter, answer)` and `refused(words)` tell the page;
 * `before(form, submitter)` may give a JSON body, or false to hold the form back.
 */
export function forms({ done, refused, before = () => null }) {
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.hasAttribute("data-fetch") || event.defaultPrevented) return;
    event.preventDefault();
    const body = before(form, event.submitter);
    if (body === false) return void delete form.dataset.sent;
    const button = event.submitter;
    button?.setAttribute("aria-busy", "true");
    try {
      const answer = await send(form, button, body);
      refused("");
      if (form.hasAttribute("data-clear")) form.reset();
      done(form, button, answer);
    } catch (error) {
      refused(error.title ?? "", error.status ?? 0);
    } finally {
      delete form.dataset.sent;
      button?.removeAttribute("aria-busy");
    }
  });
}

const drawn = new WeakMap();

/** Puts new markup into a region; what somebody has typed, opened or focused there stays. */
export function swap(region, html) {
  if (drawn.get(region) === html) return false;
  const first = !drawn.has(region);
  drawn.set(region, html);
  const kept = new Map();
  for (const field of region.querySelectorAll("input[id], textarea[id], select[id]")) {
    const touched =
      field.type === "radio" || field.type === "checkbox"
        ? field.checked !== field.defaultChecked
        : field.tagName === "SELECT"
          ? field.selectedIndex > 0
          : field.value !== field.defaultValue;
    if (touched) kept.set(field.id, { value: field.value, checked: field.checked });
  }
  const open = new Set([...region.querySelectorAll("details[open][id]:not([data-led])")].map((d) => d.id));
  const focus = region.contains(document.activeElement) ? document.activeElement.id : "";
  const at = focus && "selectionStart" in document.activeElement ? document.activeElement.selectionStart : null;
  const top = region.scrollTop;
  region.innerHTML = html;
  for (const [id, was] of kept) {
    const field = document.getElementById(id);
    if (!field) continue;
    if (field.type === "radio" || field.type === "checkbox") field.checked = was.checked;
    else field.value = was.value;
  }
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  if (focus) {
    const field = document.getElementById(focus);
    field?.focus({ preventScroll: true });
    if (field && at !== null && "setSelectionRange" in field) field.setSelectionRange(at, at);
  }
  region.scrollTop = top;
  return !first;
}

/** Forgets that a form's fields were typed into, so that the next state may draw them afresh. */
export function settle(form) {
  for (const field of form.elements) {
    if (field.type === "radio" || field.type === "checkbox") field.defaultChecked = field.checked;
    else if ("defaultValue" in field) field.defaultValue = field.value;
  }
}

/** Fetches `url()` every two seconds and at once when nudged; a state that is the same costs one short answer. */
export class Poll {
  #etag = "";
  #timer = null;
  #busy = false;
  #again = false;

  constructor(url, heard) {
    Object.assign(this, { url, heard });
  }

  async now() {
    if (this.#busy) return void (this.#again = true);
    this.#busy = true;
    clearTimeout(this.#timer);
    try {
      const headers = { Accept: "application/json" };
      if (this.#etag) headers["If-None-Match"] = this.#etag;
      const reply = await fetch(this.url(), { headers, credentials: "same-origin", cache: "no-store" });
      if (reply.status === 401 || reply.status === 403) return void location.reload();
      if (reply.ok && reply.status !== 304) {
        this.#etag = reply.headers.get("ETag") ?? "";
        this.heard(await reply.json());
      }
    } catch {
      // no network: the next one will tell
    } finally {
      this.#busy = false;
      this.#timer = setTimeout(() => this.now(), this.#again ? 0 : 2000);
      this.#again = false;
    }
  }

  fresh() {
    this.#etag = "";
    this.now();
  }
}

/** Shows the running time of the recording beside its word, without asking the office each second. */
export class Running {
  #from = null;

  constructor(place) {
    this.place = place;
    setInterval(() => this.draw(), 1000);
  }

  set(on, seconds) {
    if (!on) this.#from = null;
    else if (this.#from === null || Math.abs(performance.now() / 1000 - this.#from - seconds) > 2) this.#from = performance.now() / 1000 - seconds;
    this.draw();
  }

  draw() {
    const at = this.place();
    if (!at) return;
    const s = this.#from === null ? null : Math.max(0, Math.floor(performance.now() / 1000 - this.#from));
    at.textContent = s === null ? "" : `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`;
  }
}
