(async () => {
  const stream = await navigator.mediaDevices.getUserMedia({video: {width: 640, height: 480}, audio: true});
  const view = document.createElement('video');
  const say = document.createElement('p');
  view.srcObject = stream; view.muted = true; view.width = 480;
  document.body.append(view, say);
  try {
    await view.play();
    const wait = seconds => new Promise(done => setTimeout(done, 1000 * seconds));
    for (let left = COUNTDOWN; left > 0; left--) { say.textContent = `Speak in ${left} …`; await wait(1); }
    const recorder = new MediaRecorder(stream), chunks = [];
    recorder.ondataavailable = event => chunks.push(event.data);
    const ended = new Promise(done => { recorder.onstop = done; });
    recorder.start();
    say.textContent = 'Recording: SECONDS s';
    await wait(SECONDS);
    recorder.stop();
    await ended;
    const reader = new FileReader();
    const read = new Promise(done => { reader.onload = done; });
    reader.readAsDataURL(new Blob(chunks, {type: recorder.mimeType}));
    await read;
    return {type: recorder.mimeType, data: reader.result.split('base64,')[1]};
  } finally {
    stream.getTracks().forEach(track => track.stop());
    view.remove(); say.remove();
  }
})()
