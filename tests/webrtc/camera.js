// Stands in for getUserMedia: a canvas that shows a counter (five a second, 16 bits as blocks) and flashes at
// each full second, and a sound that beeps with the flash. The party's colour fills the rest.
navigator.mediaDevices.getUserMedia = async () => {
  const colour = new URLSearchParams(location.search).get("colour");
  const sound = new AudioContext({ sampleRate: 48000 });
  await sound.resume();
  const out = sound.createMediaStreamDestination();
  for (let s = 1; s < 120; s++) {
    const beep = sound.createOscillator();
    beep.frequency.value = 1000;
    beep.connect(out);
    beep.start(s);
    beep.stop(s + 0.12);
  }
  const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 480 });
  const pen = canvas.getContext("2d");
  const draw = () => {
    const now = sound.currentTime;
    const n = Math.floor(now * 5);
    pen.fillStyle = colour;
    pen.fillRect(0, 0, 640, 480);
    for (let bit = 0; bit < 16; bit++) {
      pen.fillStyle = (n >> bit) & 1 ? "#fff" : "#000";
      pen.fillRect(bit * 40, 0, 40, 60);
    }
    pen.fillStyle = now >= 1 && now % 1 < 0.12 ? "#fff" : "#000";
    pen.fillRect(0, 360, 640, 120);
  };
  draw();
  setInterval(draw, 20);
  return new MediaStream([...canvas.captureStream(25).getTracks(), ...out.stream.getTracks()]);
};
