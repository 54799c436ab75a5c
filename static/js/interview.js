// The applicant's side: the call, the state that the notary leads, the pad. Every word stands in the page.

import { Call } from "./call.js";
import { csrf, forms, Poll, Running, send, swap } from "./live.js";
import { Pad } from "./pad.js";

const CALL_AFTER_S = 15; // somebody who still waits is told of another way
const main = document.querySelector("#main");
const $ = (id) => document.getElementById(id);
const say = (key) => main.dataset[`words${key.replace(/(^|-)(\w)/g, (_m, _d, c) => c.toUpperCase())}`] ?? "";
let call = null;
let state = null;
let pad = null;
let broken = 0;
let tries = 0;
let leaving = false;
const clock = new Running(() => $("rec-time"));
const ink = new Map(); // strokes by paper: a redrawn panel keeps them

function words(first, more = "", again = false) {
  $("call-state").hidden = !first;
  $("call-words").textContent = first;
  $("call-more").textContent = more;
  $("again").hidden = !again;
}

function begin() {
  call?.stop();
  call = new Call({ url: main.dataset.offer, relay: main.dataset.relay, csrf: csrf(), local: $("near"), remote: $("far") });
  call.addEventListener("state", ({ detail }) => shown(detail.state, detail.words));
  call.addEventListener("event", ({ detail }) => told(detail));
  call.addEventListener("health", ({ detail }) => network(detail));
  call.addEventListener("remote", ({ detail }) => words(detail.locked ? say("locked") : ""));
  window.yzCall = call;
  call.start();
}

function told(event) {
  if (event.event === "turn") poll.now();
  else if (event.event === "prompt") prompt(event);
  else if (event.event === "hint") hint(event.key);
}

// A challenge: the server says what to do, one thing at a time, and when; a redrawn panel shows the same again.
let asked = null;
function prompt(event) {
  asked = event;
  const box = $("challenge");
  if (box?.dataset.challenge !== event.challenge) return poll.now(); // the panel is on its way
  $("prompt").textContent = box.querySelector(`[data-prompt="${CSS.escape(event.kind)}"]`)?.textContent ?? "";
  $("prompt").dataset.now = event.kind;
  $("digits").hidden = event.kind !== "say";
  $("digits").textContent = event.kind === "say" ? event.text.split("").join(" ") : "";
  $("flash").hidden = event.kind !== "flash";
  $("flash").dataset.colour = event.kind === "flash" ? event.text : "";
  if (event.kind !== "ahead") hint("");
}

let hinted = null;
function hint(key) {
  const words = key ? (document.querySelector(`#hints [data-hint="${CSS.escape(key)}"]`)?.textContent ?? "") : "";
  clearTimeout(hinted);
  $("hint").hidden = !words;
  $("hint").textContent = words;
  if (words) hinted = setTimeout(() => hint(""), 6000);
}

function shown(now, why = "") {
  main.dataset.call = now;
  $("stage").classList.toggle("yz-frozen", now === "interrupted");
  if (now === "interrupted") {
    broken ||= performance.now();
    tries += 1;
  } else if (now === "live") {
    broken = tries = 0;
  }
  if (now !== "live") $("flash").hidden = true;
  if (now !== "live") $("network-words").textContent = say("gone");
  if (now === "interrupted") return gap();
  words(why || say(now), "", ["denied", "missing", "busy", "replaced", "refused"].includes(now));
  poll.now();
}

function gap() {
  if (!broken) return;
  const seconds = Math.round((performance.now() - broken) / 1000);
  words(say("gap").replace("%s", seconds).replace("%n", tries), say(seconds < CALL_AFTER_S ? "still" : "call"));
}

function network({ loss, loss_up: up }) {
  if (call?.state !== "live") return;
  const worst = Math.max(loss ?? 0, up ?? 0);
  $("network-words").textContent = say(worst > 0.08 ? "poor" : worst > 0.02 ? "fair" : "good");
}

function heard(next) {
  const was = state;
  state = next;
  const on = next.recording && next.kind !== "suspended";
  $("rec").classList.toggle("yz-rec--off", !on);
  $("rec").dataset.on = on ? "yes" : "no";
  $("rec-words").textContent = say(on ? "recording" : "not-recording");
  clock.set(on, next.seconds);
  main.dataset.kind = next.kind;
  main.dataset.turn = next.turn;
  chat(next.chat);
  if (swap($("panel"), next.panel) || !was) drawn(was && was.kind !== next.kind);
  if (next.open && !call) begin();
  if (!next.open && call && ["ended", "done"].includes(next.kind)) call.stop();
}

function drawn(moved) {
  pad?.stop();
  pad = null;
  const canvas = $("pad");
  if (canvas) {
    const paper = canvas.dataset.paper;
    if (!ink.has(paper)) ink.set(paper, []);
    pad = new Pad(canvas, ink.get(paper));
    $("pad-clear").addEventListener("click", () => pad.clear());
  }
  if (asked && $("challenge")?.dataset.challenge === asked.challenge) prompt(asked);
  if (!$("challenge")) $("flash").hidden = true;
  const sheet = $("sheet");
  if (sheet && $("seen") && !(sheet.complete && sheet.naturalWidth)) unseen(sheet, $("seen"), $("sheet-wait"));
  for (const button of document.querySelectorAll("#panel [data-speak]")) {
    button.hidden = !("speechSynthesis" in window);
    button.addEventListener("click", () => speak(button));
  }
  if (moved) {
    $("ask").scrollTop = 0;
    if (!["say", "code"].includes(document.activeElement?.id)) $("ask").focus({ preventScroll: true });
  }
}

// Nobody says of a page that it was read before it stands on the screen; a picture that did not come is asked for again.
function unseen(sheet, button, wait) {
  const waits = (yes) => {
    button.disabled = yes;
    wait.hidden = !yes;
  };
  waits(true);
  sheet.addEventListener("load", () => waits(false), { once: true });
  sheet.addEventListener("error", () => setTimeout(() => sheet.isConnected && (sheet.src = sheet.src), 2000));
}

async function speak(button) {
  window.speechSynthesis.cancel();
  let text = button.closest("[data-kind]").querySelector("[data-read]")?.innerText ?? "";
  let language = document.documentElement.lang;
  if (button.dataset.speak) {
    const page = new DOMParser().parseFromString(await (await fetch(button.dataset.speak)).text(), "text/html");
    text = page.querySelector("#twin").textContent;
    language = "zh-CN";
  }
  const voice = new SpeechSynthesisUtterance(text);
  voice.lang = language;
  voice.rate = 0.85;
  window.speechSynthesis.speak(voice);
}

function chat(lines) {
  const box = $("chat");
  for (const line of lines) {
    if (box.querySelector(`[data-chat="${line.id}"]`)) continue;
    const made = $("chat-line").content.firstElementChild.cloneNode(true);
    made.dataset.chat = line.id;
    made.querySelector("b").textContent = line.speaker;
    made.querySelector("time").textContent = line.time;
    made.querySelector("span").textContent = line.text;
    box.append(made);
    if (state) made.scrollIntoView({ block: "nearest" });
  }
}

function refused(title, status = -1) {
  $("refused").hidden = !title && status < 0;
  $("refused").textContent = title || (status >= 0 ? say("failed") : "");
  if (!$("refused").hidden) $("refused").scrollIntoView({ block: "nearest" });
}

forms({
  before(form, button) {
    if (form.dataset.pad === undefined || button?.id === "send-code") return null;
    if (!pad || pad.empty) return refused(say("blank")), false;
    const data = new FormData(form);
    return { sha256: data.get("sha256"), code: data.get("code"), strokes: pad.strokes };
  },
  done(form, button) {
    const told = button?.dataset.said ?? form.dataset.said;
    if (told) refused(say(told));
    if (button?.id === "sign") ink.clear();
    poll.now();
  },
  refused,
});

$("mute").addEventListener("click", () => {
  const off = $("mute").getAttribute("aria-pressed") !== "true";
  $("mute").setAttribute("aria-pressed", String(off));
  $("mute").querySelector("span").textContent = say(off ? "unmute" : "mute");
  call?.enable("audio", !off);
});

$("type").addEventListener("click", () => {
  const form = $("say-form");
  form.hidden = !form.hidden;
  $("type").setAttribute("aria-expanded", String(!form.hidden));
  if (!form.hidden) $("say").focus();
});

$("leave-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  delete event.target.dataset.sent;
  if (leaving || !window.confirm(event.target.dataset.confirm)) return;
  leaving = true;
  call?.stop();
  try {
    location.assign((await send(event.target)).next);
  } catch {
    leaving = false;
    refused("", 0);
  }
});

$("again").addEventListener("click", begin);

// Two taps on the seal within three seconds tell the notary something that nothing on this page shows.
let tapped = 0;
$("seal").addEventListener("click", () => {
  const now = performance.now();
  if (now - tapped < 3000) send({ action: main.dataset.quiet }, null, {}).catch(() => {});
  tapped = now;
});

const poll = new Poll(() => main.dataset.state, heard);
setInterval(() => call?.state === "interrupted" && gap(), 1000);
document.addEventListener("visibilitychange", () => document.hidden || poll.now());
drawn(false);
poll.now();
