/**
 * One party's call: camera and microphone, one connection to the media worker, live events.
 *
 * It holds no word and touches no markup but the two <video> elements it is given. What happens is told by
 * events on the Call, each a CustomEvent:
 *
 *   state   {state, reason, words}  see STATES; words: the office's own, if it refused
 *   remote  {stream, locked}  the far side is attached; `locked`: its sound waits for a tap anywhere
 *   event   {event, ...}      a live event of the office ("joined", "left" and the office's own)
 *   health  {loss, rtt, ...}  every 2 s; loss as a share, rtt in ms, null where nothing is known yet
 */

export const STATES = Object.freeze([
  "idle", // nothing asked yet
  "asking", // the browser asks for camera and microphone
  "denied", // the person or the browser said no
  "missing", // there is no camera or no microphone (reason "unsupported": no way to ask)
  "busy", // another program holds the camera or the microphone
  "connecting", // devices are there, the connection is being made
  "live", // media flows
  "interrupted", // it was live, or should be; the page tries again by itself
  "replaced", // the same party came in elsewhere; this page stays out
  "refused", // the office does not answer this offer; reason is its code or HTTP status
  "ended", // over, from either side
]);

const BACKOFF = [0, 1000, 2000, 4000, 8000];
const BEAT = 500;
const SILENT = 1200;
const MEND = 8000; // an answered restart that has brought nothing by then is asked for again
const KEPT = 25000; // a worker gives a connection up 30 s after its last check
const CONNECT = 15000;
const STATS = 2000;
const RELAY = 3000;
const DEVICES = {
  audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
  video: { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30, max: 30 }, facingMode: "user" },
};
const FINAL = new Set(["denied", "missing", "busy", "replaced", "refused", "ended"]);

export class Call extends EventTarget {
  #pc = null;
  #channel = null;
  #stream = null;
  #turn = 0; // rises with every attempt; what belongs to an older one is not heard
  #asked = 0; // rises with every offer; only the newest one's answer counts
  #broken = 0; // since when the connection is being mended; 0: it is whole
  #bytes = 0;
  #tries = 0;
  #timers = new Set();
  #retry = null;
  #answered = 0;
  #beats = 0;
  #before = null;
  #unlock = null;

  /**
   * @param {string} url           where the offer is posted: {sdp, type} -> {sdp, type}
   * @param {string} csrf          value of the X-CSRFToken header
   * @param {string} relay         where fresh credentials for the office's relay are fetched, if it has one
   * @param {HTMLVideoElement} local     own picture, or null
   * @param {HTMLVideoElement} remote    far side, or null
   * @param {MediaStreamConstraints} devices
   */
  constructor({ url, csrf, relay = "", local = null, remote = null, devices = DEVICES }) {
    super();
    Object.assign(this, { url, csrf, relay, local, remote, devices });
    this.state = "idle";
    this.reason = "";
    this.onVisible = () => this.#visible();
    this.onMoved = () => this.#moved();
  }

  /** Ask for the devices and connect. Resolves when devices are settled; the rest is told by `state`. */
  async start() {
    if (this.state === "asking" || this.state === "live" || this.state === "connecting") return;
    this.#tries = 0;
    this.#halt();
    if (!(await this.#acquire())) return;
    document.addEventListener("visibilitychange", this.onVisible);
    for (const network of networks()) network.on.addEventListener(network.event, this.onMoved);
    this.#every(BEAT, () => this.#beat());
    this.#every(STATS, () => this.#measure());
    this.#connect();
  }

  /** End the call and give the devices back. */
  stop(state = "ended", reason = "", words = "") {
    this.#turn += 1;
    clearTimeout(this.#retry);
    this.#halt();
    document.removeEventListener("visibilitychange", this.onVisible);
    for (const network of networks()) network.on.removeEventListener(network.event, this.onMoved);
    this.#drop();
    this.#stream?.getTracks().forEach((track) => {
      track.onended = null;
      track.stop();
    });
    this.#stream = null;
    this.#release();
    this.#set(state, reason, words);
  }

  /** Turn the own picture or sound off and on without leaving: kind is "audio" or "video". */
  enable(kind, on) {
    this.#stream?.getTracks().filter((t) => t.kind === kind).forEach((t) => (t.enabled = on));
  }

  get stream() {
    return this.#stream;
  }

  async #acquire() {
    this.#set("asking");
    if (!navigator.mediaDevices?.getUserMedia) return this.#without("missing", "unsupported");
    try {
      this.#stream = await navigator.mediaDevices.getUserMedia(this.devices);
    } catch (error) {
      if (error.name === "NotAllowedError" || error.name === "SecurityError") return this.#without("denied", error.name);
      if (error.name === "NotReadableError" || error.name === "AbortError") return this.#without("busy", error.name);
      return this.#without("missing", error.name);
    }
    if (this.state !== "asking") {
      // stopped while the browser was asking
      this.#stream.getTracks().forEach((track) => track.stop());
      return false;
    }
    for (const track of this.#stream.getTracks()) track.onended = () => this.#lost(track);
    if (this.local) {
      this.local.muted = true;
      this.local.playsInline = true;
      this.local.srcObject = this.#stream;
      this.local.play().catch(() => {});
    }
    return true;
  }

  #without(state, reason) {
    this.#set(state, reason);
    return false;
  }

  /** A device went away in mid-call: ask for both again, put the new tracks in place of the old. */
  async #lost(track) {
    if (FINAL.has(this.state)) return;
    this.#tell("health", { ended: track.kind });
    const old = this.#stream;
    const turn = ++this.#turn;
    this.#drop();
    old?.getTracks().forEach((t) => {
      t.onended = null;
      t.stop();
    });
    if ((await this.#acquire()) && turn === this.#turn) this.#connect();
  }

  async #connect() {
    const turn = ++this.#turn;
    clearTimeout(this.#retry);
    this.#drop();
    this.#set(this.#tries ? "interrupted" : "connecting");
    const iceServers = await this.#relays();
    if (turn !== this.#turn) return;
    const pc = (this.#pc = new RTCPeerConnection({ iceServers, bundlePolicy: "max-bundle" }));
    const mine = () => pc === this.#pc;
    this.#answered = performance.now();
    this.#before = null;
    for (const track of this.#stream.getTracks()) pc.addTrack(track, this.#stream);
    pc.ontrack = ({ streams }) => mine() && streams[0] && this.#attach(streams[0]);
    pc.onconnectionstatechange = () => {
      if (!mine()) return;
      if (pc.connectionState === "connected") {
        this.#tries = 0;
        this.#whole();
      } else if (["disconnected", "failed"].includes(pc.connectionState)) this.#mend(pc.connectionState);
      else if (pc.connectionState === "closed") this.#again("closed");
    };
    const channel = (this.#channel = pc.createDataChannel("events", { ordered: true }));
    channel.onopen = () => (this.#answered = performance.now());
    channel.onclose = () => mine() && this.#again("channel");
    channel.onmessage = ({ data }) => mine() && this.#heard(data);
    try {
      // our own addresses are of no use to the worker, which learns them from our checks: nothing to wait for
      await pc.setLocalDescription(await pc.createOffer());
      const reply = await this.#post(pc, false);
      if (!mine()) return;
      if (!reply.ok) {
        if (passing(reply)) return this.#again(String(reply.status));
        const problem = await reply.json().catch(() => ({}));
        return this.stop("refused", String(problem.code ?? reply.status), [409, 422].includes(reply.status) ? String(problem.title ?? "") : "");
      }
      const answer = await reply.json();
      if (!mine()) return;
      await pc.setRemoteDescription({ type: answer.type, sdp: answer.sdp });
      this.#retry = setTimeout(() => mine() && pc.connectionState !== "connected" && this.#again("timeout"), CONNECT);
    } catch (error) {
      if (mine()) this.#again(error.name);
    }
  }

  #post(pc, restart) {
    return fetch(this.url, {
      method: "POST",
      credentials: "same-origin",
      headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": this.csrf },
      body: JSON.stringify({ sdp: pc.localDescription.sdp, type: pc.localDescription.type, restart }),
      signal: AbortSignal.timeout(CONNECT),
    });
  }

  /** The way is gone, the connection may not be: look for another way first, so that the recording goes on. */
  #mend(reason) {
    if (FINAL.has(this.state) || !this.#pc || this.#broken) return;
    if (this.state !== "live") return this.#again(reason); // it never was a connection
    this.#broken = performance.now();
    this.#set("interrupted", reason);
    this.#restart(this.#pc);
  }

  /** ICE restart (RFC 8839 4.4.3): new ways for the same connection, nothing else is made anew. */
  async #restart(pc) {
    const asked = ++this.#asked;
    const mine = () => pc === this.#pc && asked === this.#asked;
    const later = (ms) => {
      clearTimeout(this.#retry);
      this.#retry = setTimeout(() => mine() && this.#broken && this.#restart(pc), ms);
    };
    if (this.#broken && performance.now() - this.#broken > KEPT) return this.#again("timeout");
    if (this.#broken) later(MEND);
    try {
      const iceServers = await this.#relays();
      if (!mine()) return;
      pc.setConfiguration({ iceServers, bundlePolicy: "max-bundle" });
      await pc.setLocalDescription(await pc.createOffer({ iceRestart: true }));
      if (!mine()) return;
      const reply = await this.#post(pc, true);
      if (!mine()) return;
      if (!reply.ok && !passing(reply)) return this.#again(String(reply.status)); // a new offer hears the reason
      if (!reply.ok) return later(BACKOFF[1]);
      const answer = await reply.json();
      if (!mine()) return;
      if (answer.gone === "replaced") return this.stop("replaced");
      if (answer.gone) return this.#again(answer.gone);
      await pc.setRemoteDescription({ type: answer.type, sdp: answer.sdp });
    } catch {
      if (mine()) later(BACKOFF[1]); // no network at all yet
    }
  }

  #whole() {
    clearTimeout(this.#retry);
    this.#broken = 0;
    this.#answered = performance.now();
    this.#set("live");
  }

  /** The browser says that it has another network now: do not wait until the old way is found dead. */
  #moved() {
    if (!this.#pc || !navigator.onLine) return;
    if (this.#broken || this.state === "live") this.#restart(this.#pc);
  }

  /** They hold for minutes, so every connection asks anew; without an answer the direct way is tried. */
  async #relays() {
    if (!this.relay) return [];
    const asked = { credentials: "same-origin", headers: { Accept: "application/json" }, signal: AbortSignal.timeout(RELAY) };
    return fetch(this.relay, asked).then((reply) => (reply.ok ? reply.json() : []), () => []).catch(() => []);
  }

  /** Try again, at once the first time, then after 1, 2, 4, 8, 8 … s; the page stays where it is. */
  #again(reason) {
    if (FINAL.has(this.state)) return;
    const turn = ++this.#turn;
    this.#drop();
    this.#broken = 0;
    this.#set("interrupted", reason);
    const wait = BACKOFF[Math.min(this.#tries, BACKOFF.length - 1)];
    this.#tries += 1;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => turn === this.#turn && this.#connect(), wait);
  }

  #heard(data) {
    let said;
    try {
      said = JSON.parse(data);
    } catch {
      return;
    }
    this.#proved();
    if (said.event === "beat") return;
    if (said.event === "replaced") return this.stop("replaced");
    if (said.event === "codec") return this.#connect(); // the other side cannot read ours: a new answer names what both have
    if (said.event === "ended" && said.cause !== "worker") return this.stop("ended", said.cause);
    this.#tell("event", said);
  }

  async #beat() {
    const pc = this.#pc;
    if ((this.state !== "live" && !this.#broken) || this.#channel?.readyState !== "open") return;
    const now = performance.now();
    const slept = this.ticked && now - this.ticked > 3 * BEAT; // what came meanwhile is not yet read
    this.ticked = now;
    this.#channel.send(JSON.stringify({ event: "beat", n: ++this.#beats }));
    // a lost beat is sent again only after seconds; media and the worker's reports (one a second) tell sooner
    let bytes = 0;
    (await pc.getStats()).forEach((r) => r.type === "candidate-pair" && (bytes += r.bytesReceived ?? 0));
    if (pc !== this.#pc) return;
    if (bytes > this.#bytes) this.#proved();
    this.#bytes = bytes;
    if (!slept && now - this.#answered > SILENT) this.#mend("silent");
  }

  /** Something has come from the worker. */
  #proved() {
    this.#answered = performance.now();
    if (this.#broken && this.#pc.connectionState === "connected") this.#whole();
  }

  async #measure() {
    const pc = this.#pc;
    if (this.state !== "live" || !pc) return;
    const health = { loss: null, rtt: null, loss_up: null, frames: null, freezes: null, hidden: document.hidden };
    let lost = 0;
    let received = 0;
    (await pc.getStats()).forEach((r) => {
      if (r.type === "inbound-rtp") {
        lost += r.packetsLost ?? 0;
        received += r.packetsReceived ?? 0;
        if (r.kind === "video") Object.assign(health, { frames: r.framesDecoded ?? 0, freezes: r.freezeCount ?? 0 });
      } else if (r.type === "remote-inbound-rtp") {
        health.loss_up = Math.max(health.loss_up ?? 0, r.fractionLost ?? 0);
      } else if (r.type === "candidate-pair" && r.nominated && r.currentRoundTripTime !== undefined) {
        health.rtt = Math.round(r.currentRoundTripTime * 1000);
      }
    });
    if (pc !== this.#pc) return;
    if (this.#before) {
      const all = lost - this.#before.lost + received - this.#before.received;
      health.loss = all > 0 ? Math.max(0, (lost - this.#before.lost) / all) : null;
    }
    this.#before = { lost, received };
    health.camera = (this.#stream?.getVideoTracks()[0]?.label ?? "").slice(0, 120);
    this.#tell("health", health);
    if (this.#channel?.readyState === "open") this.#channel.send(JSON.stringify({ event: "health", health }));
  }

  #attach(stream) {
    const video = this.remote;
    if (!video) return this.#tell("remote", { stream, locked: false });
    if (video.srcObject === stream) return;
    video.autoplay = true;
    video.playsInline = true;
    video.srcObject = stream;
    video.muted = false;
    video.play().then(
      () => this.#tell("remote", { stream, locked: false }),
      (error) => {
        if (error.name !== "NotAllowedError") return;
        // sound may start only after a tap: picture first, sound with the next tap anywhere
        video.muted = true;
        video.play().catch(() => {});
        this.#release();
        this.#unlock = () => {
          this.#release();
          video.muted = false;
          video.play().catch(() => {});
          this.#tell("remote", { stream, locked: false });
        };
        for (const name of ["pointerup", "keydown"]) document.addEventListener(name, this.#unlock);
        this.#tell("remote", { stream, locked: true });
      },
    );
  }

  #release() {
    if (!this.#unlock) return;
    for (const name of ["pointerup", "keydown"]) document.removeEventListener(name, this.#unlock);
    this.#unlock = null;
  }

  #visible() {
    this.#tell("health", { hidden: document.hidden });
    if (document.hidden || this.state !== "live") return;
    const dead = this.#stream?.getTracks().find((t) => t.readyState === "ended");
    if (dead) this.#lost(dead);
    this.remote?.play().catch(() => {});
  }

  #drop() {
    const pc = this.#pc;
    this.#pc = this.#channel = null;
    this.#bytes = 0;
    if (!pc) return;
    pc.ontrack = pc.onconnectionstatechange = null;
    pc.close();
  }

  #halt() {
    for (const timer of this.#timers) clearInterval(timer);
    this.#timers.clear();
  }

  #every(ms, work) {
    this.#timers.add(setInterval(work, ms));
  }

  #set(state, reason = "", words = "") {
    if (state === this.state && reason === this.reason) return;
    this.state = state;
    this.reason = reason;
    this.#tell("state", { state, reason, words });
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/** Where a browser tells that its network has changed; not every one has the second. */
function networks() {
  return [
    { on: window, event: "online" },
    { on: navigator.connection, event: "change" },
  ].filter((network) => network.on);
}

/** Whether the same offer may find another answer in a moment. */
function passing(reply) {
  return reply.status >= 500 || [408, 425, 429].includes(reply.status);
}
