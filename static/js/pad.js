/**
 * A pad for a signature. Strokes are kept as vectors [x, y, t ms] in the pad's own units, 600 wide: a turned phone or
 * another size draws the same strokes again and loses none. Pen, finger and mouse alike.
 */

const WIDE = 600;
const HIGH = 260;
const NEAR = 1.2;

export class Pad {
  #stroke = null;
  #began = 0;

  constructor(canvas, strokes = []) {
    this.canvas = canvas;
    this.strokes = strokes;
    this.drawing = canvas.getContext("2d");
    canvas.style.touchAction = "none";
    canvas.addEventListener("pointerdown", (e) => this.#down(e));
    canvas.addEventListener("pointermove", (e) => this.#move(e));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (e) => this.#up(e));
    this.observer = new ResizeObserver(() => this.#fit());
    this.observer.observe(canvas);
    this.#fit();
  }

  get empty() {
    return this.strokes.length === 0;
  }

  clear() {
    this.strokes.length = 0;
    this.#draw();
  }

  stop() {
    this.observer.disconnect();
  }

  #point(event) {
    const box = this.canvas.getBoundingClientRect();
    const scale = WIDE / box.width;
    const round = (n) => Math.round(n * 10) / 10;
    return [round((event.clientX - box.left) * scale), round((event.clientY - box.top) * scale), Math.round(event.timeStamp - this.#began)];
  }

  #down(event) {
    if (event.button !== 0) return;
    event.preventDefault();
    this.canvas.setPointerCapture(event.pointerId);
    if (this.empty) this.#began = event.timeStamp;
    this.#stroke = [this.#point(event)];
    this.strokes.push(this.#stroke);
    this.#draw();
  }

  #move(event) {
    if (!this.#stroke) return;
    event.preventDefault();
    const points = event.getCoalescedEvents?.() ?? [];
    for (const one of points.length ? points : [event]) {
      const next = this.#point(one);
      const last = this.#stroke.at(-1);
      if (Math.hypot(next[0] - last[0], next[1] - last[1]) >= NEAR) this.#stroke.push(next);
    }
    this.#draw();
  }

  #up() {
    this.#stroke = null;
  }

  #fit() {
    const box = this.canvas.getBoundingClientRect();
    const dense = window.devicePixelRatio || 1;
    this.canvas.width = Math.max(1, Math.round(box.width * dense));
    this.canvas.height = Math.max(1, Math.round(box.height * dense));
    this.#draw();
  }

  #draw() {
    const pen = this.drawing;
    const scale = this.canvas.width / WIDE;
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, WIDE, HIGH * 4);
    pen.lineCap = pen.lineJoin = "round";
    pen.strokeStyle = "#c9bda3";
    pen.lineWidth = 2;
    pen.beginPath();
    pen.moveTo(30, HIGH - 46);
    pen.lineTo(WIDE - 30, HIGH - 46);
    pen.stroke();
    pen.strokeStyle = "#171b33";
    pen.lineWidth = 6;
    for (const stroke of this.strokes) {
      pen.beginPath();
      pen.moveTo(stroke[0][0], stroke[0][1]);
      for (const [x, y] of stroke.length > 1 ? stroke : [[stroke[0][0] + 0.1, stroke[0][1]]]) pen.lineTo(x, y);
      pen.stroke();
    }
  }
}
