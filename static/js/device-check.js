/**
 * The device check before an interview: camera, microphone, speaker, network. It holds no word: the page's
 * sections do, and this module only says which of them holds.
 *
 *   <section data-check="camera" data-state="waiting">     state: waiting running passed failed skipped
 *     <p data-when="failed:denied">…</p>                   shown while state, or state:code, is this (several by space)
 *     <button data-start> <button data-skip>               begin, or go on without
 *     <video data-preview> <meter data-level>              camera picture, microphone level 0…1
 *     <button data-number="3">                             speaker: how many tones were heard
 *
 * Codes: camera denied missing busy dark timeout · microphone denied missing busy silent timeout · speaker
 * wrong unsupported timeout · network: the page's own, failed, timeout.
 * Events on DeviceCheck: `result` {check, state, code, measured}; `done` {results} when none waits or runs.
 */

const LIMITS = { camera: 30000, microphone: 15000, speaker: 30000, network: 20000 };
const CODES = { NotAllowedError: "denied", SecurityError: "denied", NotReadableError: "busy", AbortError: "busy" };

export class DeviceCheck extends EventTarget {
  #streams = new Set();
  #stopped = new AbortController();

  /**
   * @param {ParentNode} root     holds the sections
   * @param {() => Promise<{passed: boolean, code?: string, measured?: object}>} network  the page's own trial call
   * @param {object} limits       milliseconds for each check
   */
  constructor({ root, network = null, limits = {} }) {
    super();
    this.root = root;
    this.network = network;
    this.limits = { ...LIMITS, ...limits };
    this.results = {};
    this.sections = new Map([...root.querySelectorAll("[data-check]")].map((s) => [s.dataset.check, s]));
    for (const [name, section] of this.sections) {
      this.#show(name, "waiting", "");
      const listen = (query, work) =>
        section.querySelectorAll(query).forEach((b) => b.addEventListener("click", work, { signal: this.#stopped.signal }));
      listen("[data-start]", () => this.run(name));
      listen("[data-skip]", () => this.#settle(name, "skipped", ""));
    }
  }

  /** Run one check by name; resolves to its result. A check that already runs is left alone. */
  async run(name) {
    const section = this.sections.get(name);
    if (!section || section.dataset.state === "running") return this.results[name];
    this.#show(name, "running", "");
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort("timeout"), this.limits[name]);
    const over = new Promise((_, no) => limit.signal.addEventListener("abort", () => no(new Failed("timeout"))));
    try {
      const measured = await Promise.race([this[`_${name}`](section, limit.signal), over]);
      if (section.dataset.state === "running") this.#settle(name, "passed", "", measured);
    } catch (error) {
      if (section.dataset.state === "running") this.#settle(name, "failed", error.code_ ?? "failed", error.measured);
    } finally {
      clearTimeout(timer);
      limit.abort("over");
    }
    return this.results[name];
  }

  /** Give the devices back. */
  stop() {
    this.#stopped.abort();
    for (const stream of this.#streams) stream.getTracks().forEach((track) => track.stop());
    this.#streams.clear();
  }

  async _camera(section) {
    const stream = await this.#devices({ video: { width: { ideal: 640 }, height: { ideal: 480 }, facingMode: "user" } });
    const video = section.querySelector("[data-preview]");
    video.muted = true;
    video.playsInline = true;
    video.srcObject = stream;
    await video.play();
    const light = await brightness(video);
    const measured = { width: video.videoWidth, height: video.videoHeight, light };
    if (light < 0.06) throw new Failed("dark", measured);
    return measured;
  }

  async _microphone(section, signal) {
    const stream = await this.#devices({ audio: true });
    const context = new AudioContext();
    try {
      await context.resume();
      const meter = section.querySelector("[data-level]");
      const analyser = context.createAnalyser();
      context.createMediaStreamSource(stream).connect(analyser);
      const samples = new Float32Array(analyser.fftSize);
      let loudest = 0;
      let heard = 0;
      let zero = true;
      const end = performance.now() + Math.min(10000, this.limits.microphone - 1000);
      while (heard < 4) {
        if (signal.aborted || performance.now() > end) throw new Failed("silent", { loudest, zero });
        await new Promise((next) => setTimeout(next, 60));
        analyser.getFloatTimeDomainData(samples);
        const level = Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length);
        zero &&= samples.every((x) => x === 0); // a muted or virtual device gives exact zeros, a quiet room does not
        loudest = Math.max(loudest, level);
        if (meter) meter.value = Math.min(1, level * 6);
        if (level > 0.01) heard += 1;
      }
      return { loudest, zero: false };
    } finally {
      context.close();
      this.#give(stream);
    }
  }

  async _speaker(section, signal) {
    if (!globalThis.AudioContext) throw new Failed("unsupported");
    const tones = 1 + Math.floor(Math.random() * 4);
    const context = new AudioContext();
    try {
      await context.resume();
      for (let i = 0; i < tones; i++) tone(context, context.currentTime + 0.2 + i * 0.6);
      const buttons = [...section.querySelectorAll("[data-number]")];
      const pressed = await new Promise((done) =>
        buttons.forEach((b) => b.addEventListener("click", () => done(Number(b.dataset.number)), { signal })),
      );
      if (pressed !== tones) throw new Failed("wrong", { tones, pressed });
      return { tones };
    } finally {
      context.close();
    }
  }

  async _network() {
    if (!this.network) throw new Failed("failed");
    const { passed, code = "failed", measured = {} } = await this.network();
    if (!passed) throw new Failed(code, measured);
    return measured;
  }

  async #devices(wanted) {
    if (!navigator.mediaDevices?.getUserMedia) throw new Failed("missing");
    try {
      const stream = await navigator.mediaDevices.getUserMedia(wanted);
      if (this.#stopped.signal.aborted) stream.getTracks().forEach((track) => track.stop());
      else this.#streams.add(stream);
      return stream;
    } catch (error) {
      throw new Failed(CODES[error.name] ?? "missing");
    }
  }

  #give(stream) {
    stream.getTracks().forEach((track) => track.stop());
    this.#streams.delete(stream);
  }

  #settle(name, state, code, measured = {}) {
    this.#show(name, state, code);
    this.results[name] = { check: name, state, code, measured };
    this.dispatchEvent(new CustomEvent("result", { detail: this.results[name] }));
    const open = [...this.sections.values()].some((s) => ["waiting", "running"].includes(s.dataset.state));
    if (!open) this.dispatchEvent(new CustomEvent("done", { detail: { results: this.results } }));
  }

  #show(name, state, code) {
    const section = this.sections.get(name);
    section.dataset.state = state;
    section.dataset.code = code;
    for (const part of section.querySelectorAll("[data-when]"))
      part.hidden = !part.dataset.when.split(/\s+/).some((w) => w === state || w === `${state}:${code}`);
  }
}

class Failed extends Error {
  constructor(code, measured = {}) {
    super(code);
    this.code_ = code;
    this.measured = measured;
  }
}

/** Mean brightness 0…1 of the picture, the best of a second (cameras open dark). */
async function brightness(video) {
  const canvas = Object.assign(document.createElement("canvas"), { width: 32, height: 24 });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  let best = 0;
  for (let i = 0; i < 10; i++) {
    await new Promise((next) => setTimeout(next, 100));
    pen.drawImage(video, 0, 0, 32, 24);
    const { data } = pen.getImageData(0, 0, 32, 24);
    let sum = 0;
    for (let p = 0; p < data.length; p += 4) sum += data[p] + data[p + 1] + data[p + 2];
    best = Math.max(best, sum / (data.length / 4) / 765);
  }
  return best;
}

function tone(context, at) {
  const sound = context.createOscillator();
  const volume = context.createGain();
  sound.frequency.value = 660;
  volume.gain.setValueAtTime(0, at);
  volume.gain.linearRampToValueAtTime(0.4, at + 0.02);
  volume.gain.setValueAtTime(0.4, at + 0.25);
  volume.gain.linearRampToValueAtTime(0, at + 0.3);
  sound.connect(volume).connect(context.destination);
  sound.start(at);
  sound.stop(at + 0.35);
}
