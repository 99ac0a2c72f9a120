// Body of the live tab's js_on_load: `element` is its HTML, `server.live` asks the server.
// One question at a time: the next begins a second after the last one, or when that one is answered. An answer that comes
// after the camera was turned off is dropped. Leaving the tab turns it off.
const [view, face, button, status, told] = ['video', '.face', 'button', '[role=status]', '.told'].map(
  name => element.querySelector(name));
const SECONDS = 3, FPS = 7.5, now = () => performance.now() / 1000;
const wait = seconds => new Promise(done => setTimeout(done, 1000 * seconds));
const base64 = bytes => new Promise(done => {
  const reader = new FileReader();
  reader.onload = () => done(reader.result.split(',')[1] || '');
  reader.readAsDataURL(new Blob([bytes]));
});
const TAP = `registerProcessor('tap', class extends AudioWorkletProcessor {
  process([[samples]]) { if (samples) this.port.postMessage(samples); return true; } });`;
let media = null;

function stop() {
  media?.getTracks().forEach(track => track.stop());
  media = view.srcObject = null;
  button.textContent = 'Start'; face.hidden = true;
}

async function listen(mine, samples) {
  const audio = new AudioContext();
  await audio.audioWorklet.addModule(URL.createObjectURL(new Blob([TAP], {type: 'text/javascript'})));
  const tap = new AudioWorkletNode(audio, 'tap');
  tap.port.onmessage = ({data}) => {
    if (media !== mine) return audio.state === 'closed' || audio.close();
    samples.push(...data.map(value => 32767 * Math.max(-1, Math.min(1, value))));
    if (samples.length > (SECONDS + 1) * audio.sampleRate) samples.splice(0, audio.sampleRate);
  };
  audio.createMediaStreamSource(mine).connect(tap);
  return audio.sampleRate;
}

async function start() {
  const video = {width: {ideal: 320}, height: {ideal: 240}, facingMode: 'user'}, devices = navigator.mediaDevices;
  button.disabled = true;  // a second click would open a second camera, which nobody turns off
  const mine = media = await devices.getUserMedia({video, audio: true}).catch(() => devices.getUserMedia({video}))
    .finally(() => { button.disabled = false; });
  button.textContent = 'Stop'; view.srcObject = mine;
  await view.play();
  const frames = [], samples = [], canvas = document.createElement('canvas');
  const rate = mine.getAudioTracks().length ? await listen(mine, samples) : 0;
  canvas.width = 320; canvas.height = 2 * Math.round(160 * view.videoHeight / view.videoWidth);
  const timer = setInterval(() => {
    canvas.getContext('2d').drawImage(view, 0, 0, canvas.width, canvas.height);
    frames.push({time: now(), jpeg: canvas.toDataURL('image/jpeg', 0.9).split(',')[1]});
    while (frames[0].time < now() - SECONDS) frames.shift();
  }, 1000 / FPS);
  for (await wait(1); media === mine; ) {
    const asked = now(), newest = frames.at(-1).time, length = Math.round(rate * (asked - frames[0].time));
    const sound = rate ? await base64(Int16Array.from(samples.slice(-length))) : '';
    const reply = await server.live({frames: [...frames], sound, rate});
    if (media !== mine || !view.offsetParent) break;
    if (reply) {
      told.innerHTML = reply.html; face.hidden = !reply.box;
      if (reply.box) face.style.inset = reply.box.map(share => `${100 * share}%`).join(' ');
    }
    status.textContent = reply ? `${(now() - newest).toFixed(1)} s behind` : 'The server does not answer.';
    await wait(Math.max(0.1, asked + 1 - now()));
  }
  clearInterval(timer);
  if (media === mine) stop();
}

button.onclick = () => media ? stop() : start().catch(error => {
  stop();
  status.textContent = `The camera cannot be used: ${error.message}`;
});
