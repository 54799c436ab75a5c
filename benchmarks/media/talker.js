// Stands in for getUserMedia: a picture that costs a camera's bits (a moving head before grain that changes all the time) and a
// sound without pauses, so that what is concealed of it was lost.
navigator.mediaDevices.getUserMedia = async () => {
  const sound = new AudioContext({ sampleRate: 48000 });
  await sound.resume();
  const out = sound.createMediaStreamDestination();
  for (const [hertz, share] of [[140, 0.5], [280, 0.3], [560, 0.15], [1120, 0.1]]) {
    const voice = sound.createOscillator();
    const loud = sound.createGain();
    voice.frequency.value = hertz;
    loud.gain.value = share;
    voice.connect(loud).connect(out);
    voice.start();
  }
  const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 480 });
  const pen = canvas.getContext("2d");
  const grains = [...Array(8)].map(() => {
    const grain = new ImageData(640, 480);
    for (let i = 0; i < grain.data.length; i += 4) {
      const v = 90 + Math.random() * 24;
      grain.data.set([v, v, v + 8, 255], i);
    }
    return grain;
  });
  let n = 0;
  const draw = () => {
    pen.putImageData(grains[n++ % grains.length], 0, 0);
    pen.fillStyle = "#c8a080";
    pen.beginPath();
    pen.ellipse(320 + 40 * Math.sin(n / 20), 240 + 10 * Math.sin(n / 7), 110, 150, 0, 0, 7);
    pen.fill();
    pen.fillStyle = "#402020";
    pen.fillRect(290 + 40 * Math.sin(n / 20), 310, 60, 6 + 18 * Math.abs(Math.sin(n / 4)));
  };
  draw();
  setInterval(draw, 33);
  return new MediaStream([...canvas.captureStream(30).getTracks(), ...out.stream.getTracks()]);
};
