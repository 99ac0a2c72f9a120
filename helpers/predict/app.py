"""A page for your own clips: drop one or record one, see what the model predicts and where its attention lay.

    python -m helpers.predict.app [MODEL] [--fold N] [--host 127.0.0.1] [--port N]

MODEL is a run's folder or an exported file, by default the pretrained model. Nothing is kept after an answer, and no
other host is contacted.
"""

import argparse
import contextlib
import ctypes
import html
import os
import pathlib
import signal
import sys
import tempfile
import threading
import traceback

from helpers import runtime
from helpers.data import synthetic
from helpers.data.exclusions import ClipError
from helpers.plots import markup
from helpers.predict import live, playback, uploads
from helpers.predict import predictor as predict

EXAMPLE = "a drawn face.mp4"
QUEUE = uploads.MOST_WAITING  # answers that may wait; the next is told to come back
DEADLINE = 60  # s of work for an answer: others wait for theirs
KEPT = (60, 900)  # s: how often uploads are looked through, and how old one gets that nobody asks about
LOOPBACK = ["127.0.0.1", "localhost"]

INTRODUCTION = f"""# What does this face and voice express?

Drop a clip in which one person speaks, of up to {uploads.MOST_SECONDS} s and {uploads.MOST_BYTES >> 20} MB, record \
one, or speak to the camera. It is processed on the machine that serves this page, for {DEADLINE} s at most, and \
deleted when it is answered. """

LIMITS = """**What this cannot do.** The model predicts how clips with such a face and such a voice were labelled in \
its training; what a person feels it does not know. Other faces, ages, accents, languages, cameras and rooms were \
not in its training, and it is more often wrong there than its accuracy says. Do not use it to decide anything about \
anybody. In the European Union, inferring the emotions of people at work or in education is prohibited, except for \
medical or safety reasons (Regulation (EU) 2024/1689, Article 5(1)(f))."""

TRAINED = {  # a Predictor's trained_on
    "": "What the model was trained on is not recorded.",
    "synthetic": "The model was trained on drawn faces and synthesised voices; it knows nothing about people.",
    "ravdess": "The model was trained on RAVDESS: acted emotions of 24 North American actors, who speak two sentences "
    "in English in a studio.",
}


def answer(path, predictor):
    """One clip's answer as HTML that holds everything it shows: no file of it is kept. A refusal is an answer too."""
    name = pathlib.PurePath(path).name
    with _refusing(path) as reply, tempfile.TemporaryDirectory() as folder, _deadline(DEADLINE):
        uploads.check(path)
        prediction = predictor.predict(path)
        clip = playback.write(path, prediction, pathlib.Path(folder) / "answer.mp4", panels=False).read_bytes()
        reply["html"] = markup.answer(prediction, name, clip)
    return reply["html"]


def answer_live(question, predictor):
    """The answer to the last seconds of a webcam, the `question` of live.read.

    Returns: {"html": what it shows, "box": the face's top, right, bottom, left as shares of the picture, or None}.
    """
    with _refusing("live") as reply, _deadline(DEADLINE):
        frames, *others = live.read(question)
        prediction = live.predict(predictor, frames, *others)
        reply["html"] = markup.heading(prediction) + markup.bars(prediction)
        if prediction.faces is not None and prediction.faces.found[-1]:
            (top, right, bottom, left), (height, width, _) = prediction.faces.boxes[-1].tolist(), frames[0].shape
            reply["box"] = [top / height, 1 - right / width, 1 - bottom / height, left / width]
    return reply


@contextlib.contextmanager
def _refusing(path):
    """A reply to fill; where that fails, its HTML says why, and not where the file lies."""
    reply, why, name = {"html": "", "box": None}, "", pathlib.PurePath(path).name
    try:
        yield reply
    except ClipError as error:
        why = f"No answer. {error}".replace(str(path).removesuffix(name), "")
    except _Late:
        why = f"No answer. {name}: it takes longer than {DEADLINE} s here; cut it, or make its pictures smaller"
    except Exception:
        traceback.print_exc()
        why = f"{name}: something went wrong here; the server's log has the details. Try another clip."
    if why:
        reply["html"] = f'<div class="refusal" role="alert"><p>{html.escape(why)}</p></div>'


class _Late(BaseException):
    """An answer took too long. No Exception: what reads a damaged clip catches all of those."""


@contextlib.contextmanager
def _deadline(seconds):
    """Raises _Late in the block after so many seconds, as soon as the next line of Python runs in it."""
    thread, lock, left = threading.get_ident(), threading.Lock(), []

    def interrupt():
        with lock:
            if not left:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(_Late))

    timer = threading.Timer(seconds, interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        with lock:
            left.append(True)


def build(predictor, registry):
    """The page: gradio.Blocks with a queue, which answers one clip of the UploadRegistry at a time."""
    gradio = _gradio()
    turn = threading.Lock()  # the predictor answers one at a time

    def reply(upload):
        # A file component gives the file, a video component the file under its name.
        path = (upload.get("video") or upload).get("path") if isinstance(upload, dict) else None
        with _refusing("clip") as told, turn, registry.lend(path) as clip:
            told["html"] = answer(clip, predictor)
        return told["html"], None

    def example():
        with turn, tempfile.TemporaryDirectory() as folder:
            return answer(synthetic.clip(pathlib.Path(folder) / EXAMPLE, "calm", actor=3), predictor)

    def ask(question):
        with turn:
            return answer_live(question, predictor)

    ask.__name__ = "live"  # as the page's script calls it
    # Raw payloads: the registry, not Gradio, says which paths may be read.
    options = {"preprocess": False, "concurrency_limit": 1, "concurrency_id": "clips"}
    about = {"title": "What does this face and voice express?", "delete_cache": KEPT}
    with gradio.Blocks(**about, analytics_enabled=False) as page:
        trained_on = predictor.trained_on
        gradio.Markdown(INTRODUCTION)
        # As HTML, since a model's words in Markdown could link to another host.
        gradio.HTML(html.escape(TRAINED.get(trained_on, f"The model was trained on {trained_on}.")))
        with gradio.Tab("A file"):
            clip = gradio.File(label="A clip", file_count="single", height=150)
            shows = gradio.Button("Or try the example: a drawn face with a synthesised voice", size="sm")
        with gradio.Tab("The webcam"):
            size = {"video": {"width": {"ideal": 640}, "height": {"ideal": 480}}}
            camera = {"webcam_options": gradio.WebcamOptions(mirror=False, constraints=size), "height": 360}
            take = gradio.Video(sources=["webcam"], include_audio=True, label="Record yourself", **camera)
        with gradio.Tab("Live") as now:
            gradio.HTML(live.HTML, js_on_load=live.SCRIPT, server_functions=[ask])
        shown = gradio.HTML(elem_id="answer", js_on_load=markup.SCRIPT)
        gradio.Markdown(LIMITS)
        now.select(lambda: "", None, shown, api_visibility="private", queue=False)
        shows.click(example, None, shown, api_visibility="private", **options)
        # The second output empties the component: its file is gone, and the next one can be dropped there.
        clip.upload(reply, clip, [shown, clip], api_name="answer", **options)
        take.stop_recording(reply, take, [shown, take], api_name="answer_recording", **options)
    return page.queue(max_size=QUEUE)


def serve(predictor, host="127.0.0.1", port=None, wait=True):
    """Serves the page for a Predictor; by default this machine alone can reach it.

    Port None takes the first free one from 7860 on; wait=False returns at once.

    Returns: (page, address): the gradio.Blocks, whose `close()` ends it, and its address.
    """
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    registry = uploads.UploadRegistry(os.environ.get("GRADIO_TEMP_DIR"))
    guards = [Middleware(registry.watch)]
    if not runtime.in_colab():  # whose proxy has names of its own, and asks who it is
        guards.insert(0, Middleware(uploads.same_origin))
        if host in LOOPBACK:  # a site whose name leads here is another one
            guards.insert(0, Middleware(TrustedHostMiddleware, allowed_hosts=LOOPBACK))
    page = build(predictor, registry)
    # The reader's own fonts: no font server hears of who opens the page.
    theme = _gradio().themes.Default(primary_hue="teal", font=["system-ui", "sans-serif"], font_mono=["monospace"])
    private = {"share": False, "ssr_mode": False, "quiet": True, "prevent_thread_lock": True, "footer_links": []}
    # Gradio keeps the last answer of each of 10,000 sessions.
    private |= {"state_session_capacity": 1, "max_file_size": uploads.MOST_BYTES, "app_kwargs": {"middleware": guards}}
    _, address, _ = page.launch(server_name=host, server_port=port, theme=theme, css_paths=markup.CSS, **private)
    print(f"Open {address} in a browser; Ctrl+C ends it.", flush=True)
    if wait:
        page.block_thread()
    return page, address


def _gradio():
    """Gradio without its statistics and its record of answers in the browser."""
    os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_RUN_HISTORY": "False"}
    try:
        import gradio
    except ImportError as error:
        raise SystemExit("The page needs Gradio: pip install -r requirements-app.txt, or `make app`") from error
    return gradio


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", help="a run's folder or an exported file; by default the pretrained model")
    parser.add_argument("--fold", type=int, help="of a folder: the fold whose model answers; by default all together")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; by default this machine alone")
    parser.add_argument("--port", type=int, help="by default the first free one from 7860 on")
    chosen = parser.parse_args(arguments)
    if sys.platform == "linux" and hasattr(ctypes.CDLL(None), "mallopt"):
        # M_ARENA_MAX and M_MMAP_THRESHOLD: else each of Gradio's threads keeps the memory of large clips.
        for name, value in ((-8, 2), (-3, 1 << 20)):
            ctypes.CDLL(None).mallopt(name, value)
    for name in ("SIGTERM", "SIGHUP"):  # the latter not on Windows, and not under nohup
        if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) == signal.SIG_DFL:
            signal.signal(getattr(signal, name), lambda *_: sys.exit())
    with tempfile.TemporaryDirectory(prefix="clips-", ignore_cleanup_errors=True) as folder:
        os.environ["GRADIO_TEMP_DIR"] = os.path.join(folder, "uploads")  # read when Gradio is imported
        before, tempfile.tempdir = tempfile.tempdir, folder  # what an answer makes goes with it
        try:
            try:
                predictor = predict.by_name(chosen.model, chosen.fold)
            except (FileNotFoundError, ValueError) as error:
                raise SystemExit(str(error)) from error
            serve(predictor, chosen.host, chosen.port)
        finally:
            tempfile.tempdir = before


if __name__ == "__main__":
    main()
