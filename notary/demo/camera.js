// A camera that acts, put in for getUserMedia by the demo: a picture that can be changed while it runs, a moving
// frame counter (16 blocks, a step each 0.4 s) along the top, and a flash with a tone at each full second.
(() => {
  const pictures = "@PICTURES@";
  const loaded = {};
  for (const [name, data] of Object.entries(pictures)) {
    loaded[name] = new Image();
    loaded[name].src = data;
  }
  let shown = Object.keys(pictures)[0];
  window.actingCamera = { show: (name) => (shown = name), shown: () => shown };
  const PITCH = Number("@PITCH@");
  const LOUD = Number("@LOUD@");
  // Frames that have left for the office, over all open connections: the counter waits for them, so that a machine whose
  // encoder is starved counts slower, and a hole in the recording is a frame that was lost on the way or by the office.
  const calls = new Set();
  const Plain = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Plain {
    constructor(...given) {
      super(...given);
      calls.add(this);
    }
  };
  let sent = 0;
  let calling = false;
  const look = async () => {
    let frames = 0;
    let open = false;
    for (const call of calls) {
      if (call.connectionState === "closed") calls.delete(call);
      if (call.connectionState !== "connected") continue;
      open = true;
      for (const one of (await call.getStats()).values()) if (one.type === "outbound-rtp" && one.kind === "video") frames += one.framesSent ?? 0;
    }
    calling = open;
    sent = frames;
    setTimeout(look, 60);
  };
  look();
  navigator.mediaDevices.getUserMedia = async (asked) => {
    const sound = new AudioContext({ sampleRate: 48000 });
    await sound.resume();
    const out = sound.createMediaStreamDestination();
    const volume = sound.createGain();
    volume.gain.value = LOUD;
    volume.connect(out);
    for (let s = 1; s < 1800; s++) {
      const beep = sound.createOscillator();
      beep.frequency.value = PITCH;
      beep.connect(volume);
      beep.start(s);
      beep.stop(s + 0.12);
    }
    const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 480 });
    const pen = canvas.getContext("2d");
    let n = 0;
    let counted = 0;
    let before = 0;
    const draw = () => {
      const now = sound.currentTime;
      const held = calling && sent >= before && sent - before < 4;
      if (now - counted >= 0.4 && !held) {
        n += 1;
        counted = now;
        before = sent;
      }
      pen.fillStyle = "#6b6f6a";
      pen.fillRect(0, 0, 640, 480);
      const picture = loaded[shown];
      if (picture.complete && picture.naturalWidth) {
        const scale = Math.min(640 / picture.naturalWidth, 400 / picture.naturalHeight);
        const sway = shown.startsWith("face") ? Math.sin(now * 1.7) * 6 : 0;
        const w = picture.naturalWidth * scale;
        const h = picture.naturalHeight * scale;
        pen.drawImage(picture, (640 - w) / 2 + sway, 40 + (400 - h) / 2, w, h);
      }
      for (let bit = 0; bit < 16; bit++) {
        pen.fillStyle = (n >> bit) & 1 ? "#fff" : "#000";
        pen.fillRect(bit * 40, 0, 40, 40);
      }
      pen.fillStyle = now >= 1 && now % 1 < 0.12 ? "#fff" : "#000";
      pen.fillRect(0, 440, 640, 40);
    };
    draw();
    setInterval(draw, 60);
    const tracks = [];
    if (asked.video) tracks.push(...canvas.captureStream(15).getVideoTracks());
    if (asked.audio) tracks.push(...out.stream.getAudioTracks());
    return new MediaStream(tracks);
  };
  navigator.mediaDevices.enumerateDevices = async () =>
    ["videoinput", "audioinput", "audiooutput"].map((kind) => ({ kind, deviceId: "demo", groupId: "demo", label: "Demo " + kind, toJSON() { return this; } }));
})();
