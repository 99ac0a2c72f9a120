"""Live answers from the webcam: the browser (live.js) keeps the last 3 s and asks about them about once a second.

The server keeps nothing between two questions: no session has a state, and who leaves asks no more.
"""

import base64
import io
import pathlib
import tempfile

import numpy as np

from helpers.data import mp4
from helpers.data.exclusions import ClipError

FPS = 7.5  # pictures a second, as the models see
MOST_FRAMES, MOST_PIXELS, MOST_SECONDS, RATES = 40, 640 * 480, 5.0, range(8000, 96_001)

HTML = """<div class="answer live"><div class="view"><video autoplay muted playsinline></video><div class="face" hidden>
</div></div><div><button class="lg primary">Start</button> <small role="status">Speak to the camera: about once a
second an answer to the last 3 s. Nothing of them is kept.</small><div class="told"></div></div></div>"""

SCRIPT = pathlib.Path(__file__).with_suffix(".js").read_text(encoding="utf-8")


def read(question):
    """The browser's question: {"frames": [{"time": s, "jpeg": base64}], "sound": base64 of int16, "rate": Hz}.

    Returns: (frames, times, samples, rate) as of `predict`.
    Raises ClipError: it is something else, or more than MOST_FRAMES, MOST_PIXELS and MOST_SECONDS allow.
    """
    try:
        sent, rate = question["frames"], int(question["rate"])
        times = np.array([frame["time"] for frame in sent], dtype=float)
        sound = base64.b64decode(question["sound"], validate=True)
        samples = np.frombuffer(sound, "<i2").astype(np.float32) / 32768
        fits = len(sent) <= MOST_FRAMES and len(samples) <= MOST_SECONDS * rate and (not rate or rate in RATES)
        if not (fits and times[-1] - times[0] <= MOST_SECONDS and (np.diff(times) > 0).all()):
            raise ValueError("too much of it")
        frames = [_picture(frame["jpeg"]) for frame in sent]
        np.stack(frames)  # of one size
        return frames, times, samples if rate else None, rate
    except (LookupError, TypeError, ValueError, OSError) as error:
        raise ClipError("live: this is not what the page sends; load it again") from error


def _picture(jpeg):
    from PIL import Image

    picture = Image.open(io.BytesIO(base64.b64decode(jpeg, validate=True)), formats=["JPEG"])
    if picture.width * picture.height > MOST_PIXELS or picture.width % 2 or picture.height % 2:
        raise ValueError("its size")
    return np.asarray(picture.convert("RGB"))


def predict(predictor, frames, times, samples, rate):
    """The Prediction of the last seconds, through a short mp4 that is gone afterwards.

    Args:
        predictor: Predictor.
        frames, times: list of uint8 (H, W, 3) RGB of one size; float (T,), seconds, rising.
        samples, rate: float32 (n,), mono, of the same seconds, or None; Hz.
    Raises ClipError: as `Predictor.predict`.
    """
    steps = np.arange(times[0], times[-1] + 1e-6, 1 / FPS)
    shown = [frames[np.abs(times - step).argmin()] for step in steps]
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "live.mp4"
        mp4.write(path, shown, samples, size=frames[0].shape[1::-1], fps=FPS, rate=rate or 48_000)
        return predictor.predict(path)
