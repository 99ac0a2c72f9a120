"""Your own clip in a notebook: from a path, an upload or the webcam."""

import base64
import pathlib

from helpers import runtime

# Shows the camera, counts down, records, turns the camera off, and returns the recording as text.
SCRIPT = pathlib.Path(__file__).with_suffix(".js").read_text(encoding="utf-8")


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
