// The notary's side: the call, and regions that the office draws again. Every word stands in the page.

import { Call } from "./call.js";
import { csrf, forms, Poll, Running, settle, swap } from "./live.js";

const box = document.getElementById("console");
const $ = (id) => document.getElementById(id);
const say = (key) => box.dataset[`words${key[0].toUpperCase()}${key.slice(1)}`] ?? "";
const clock = new Running(() => $("rec-time"));
let picked = new URLSearchParams(location.search).get("question") ?? "";

function heard(state) {
  if (state.over) {
    call.stop();
    return location.assign(box.dataset.page);
  }
  box.dataset.turn = state.turn;
  box.dataset.phase = state.phase;
  for (const [name, html] of Object.entries(state.regions)) {
    const region = document.querySelector(`[data-region="${name}"]`);
    if (swap(region, html) && name === "chat") region.lastElementChild?.scrollIntoView({ block: "nearest" });
  }
  clock.set(state.recording && state.state === "interview", state.seconds);
}

const poll = new Poll(() => box.dataset.state + (picked ? `?question=${encodeURIComponent(picked)}` : ""), heard);

function refused(title, status = -1) {
  const note = $("refused");
  note.hidden = !title && status < 0;
  note.textContent = title || (status >= 0 ? say("failed") : "");
  if (!note.hidden) note.scrollIntoView({ block: "nearest" });
}

forms({
  done(form, button) {
    settle(form);
    if (form.id === "answer-form" && button?.id !== "ask") picked = "";
    poll.fresh();
  },
  refused,
});

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("[data-pick]");
  if (!link) return;
  event.preventDefault();
  picked = link.dataset.pick;
  history.replaceState(null, "", link.href);
  poll.fresh();
});

// Keys, when nothing is being typed: Alt+N the next step, Alt+A write down and ask the next, Alt+P pause.
const KEYS = { n: "next-phase", a: "answer", p: "suspend" };
document.addEventListener("keydown", (event) => {
  if (event.altKey && KEYS[event.key]) {
    event.preventDefault();
    $(KEYS[event.key])?.click();
  }
});

const call = new Call({ url: box.dataset.offer, relay: box.dataset.relay, csrf: csrf(), local: $("near"), remote: $("far") });
call.addEventListener("state", ({ detail }) => {
  box.dataset.call = detail.state;
  const words = detail.words || say(detail.state);
  $("call-state").hidden = !words;
  $("call-state").textContent = words;
});
call.addEventListener("event", ({ detail }) => ["turn", "joined", "left"].includes(detail.event) && poll.now());
window.yzCall = call;
call.start();
poll.now();
