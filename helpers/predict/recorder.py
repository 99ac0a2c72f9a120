"""Your own clip in a notebook: from a path, an upload or the webcam."""

import base64
import pathlib

from helpers import runtime

# Shows the camera, counts down, records, turns the camera off, and returns the recording as text.
SCRIPT = """
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
"""


def clip(source, folder, seconds=4, countdown=2):
    """The pathlib.Path of a clip: a file, an upload or a recording.

    Args:
        source: "upload" or "webcam", in Colab; anything else is a path.
        folder: where an upload or a recording is put.
        seconds, countdown: of a recording, and before it begins.
    Raises FileNotFoundError, RuntimeError: no such file, or nothing was uploaded; "upload" or "webcam" outside Colab.
    """
    if source not in ("upload", "webcam"):
        path = pathlib.Path(source).expanduser()
        if not path.is_file():
            raise FileNotFoundError(f"no clip at {path}")
        return path
    if not runtime.in_colab():
        todo = "set CLIP to the path of a file, or record on the page of `make app`"
        raise RuntimeError(f'"{source}" works in Colab only: {todo}')
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if source == "webcam":
        try:
            return _record(folder, seconds, countdown)
        except Exception as error:  # no camera, no permission, another browser: each says so in its own words
            print(f"The webcam gave nothing ({error}). Choose a file instead.")
    from google.colab import files

    uploaded = files.upload()
    if not uploaded:
        raise FileNotFoundError("nothing was uploaded; run the cell again, or set CLIP to the path of a file")
    name, content = next(iter(uploaded.items()))
    path = folder / pathlib.PurePath(name).name
    path.write_bytes(content)
    return path


def _record(folder, seconds, countdown):
    from google.colab import output

    script = SCRIPT.replace("COUNTDOWN", str(int(countdown))).replace("SECONDS", str(float(seconds)))
    recording = output.eval_js(script, timeout_sec=seconds + countdown + 120)
    path = folder / ("take.mp4" if "mp4" in recording["type"] else "take.webm")
    path.write_bytes(base64.b64decode(recording["data"]))
    return path
