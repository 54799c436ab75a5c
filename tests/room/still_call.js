// Stands in for static/js/call.js in tests/room/test_room_look.py: the parties' real legs belong to aiortc, and this
// one shows a still figure. The address's fragment says which state the call is in; "live" without one.

const COLOURS = { near: ["#7b6f5c", "#d8b597"], far: ["#51685f", "#e2c2a6"] };

function figure(which) {
  const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 480 });
  const pen = canvas.getContext("2d");
  const draw = () => {
    [pen.fillStyle] = COLOURS[which];
    pen.fillRect(0, 0, 640, 480);
    pen.fillStyle = "#2f3a45";
    pen.fillRect(180, 330, 280, 150);
    pen.fillStyle = COLOURS[which][1];
    pen.beginPath();
    pen.ellipse(320, 220, 85, 110, 0, 0, 7);
    pen.fill();
  };
  draw();
  setInterval(draw, 200);
  return canvas.captureStream(5);
}

export class Call extends EventTarget {
  constructor({ local, remote }) {
    super();
    Object.assign(this, { local, remote, state: "idle" });
  }

  async start() {
    this.state = location.hash.slice(1) || "live";
    for (const [which, video] of [["near", this.local], ["far", this.remote]]) {
      video.muted = true;
      video.srcObject = figure(which);
      await video.play().catch(() => {});
    }
    this.dispatchEvent(new CustomEvent("state", { detail: { state: this.state, reason: "" } }));
    this.dispatchEvent(new CustomEvent("health", { detail: { loss: 0, rtt: 40, loss_up: 0 } }));
  }

  stop(state = "ended") {
    this.state = state;
  }

  enable() {}
}
