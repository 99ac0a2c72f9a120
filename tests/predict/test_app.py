"""The page for one's own clips: its answers, and itself in a headless Chromium (`make browser`)."""

import concurrent.futures
import contextlib
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time
import types
import zipfile

import chromium
import cv2
import numpy as np
import psutil
import pytest
import requests
import soundfile
from test_live import asked as live_question

from helpers.data import mp4, synthetic
from helpers.predict import app, uploads
from helpers.predict import predictor as predict
from helpers.video import decoding


@pytest.fixture(scope="module")
def predictor(request):
    if "APP_MODEL" in os.environ:
        return predict.by_name(os.environ["APP_MODEL"])
    return predict.Predictor.load(request.getfixturevalue("small_runs")[0] / "fusion", fold=1)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return synthetic.clip(tmp_path_factory.mktemp("clip") / "new.mp4", "happy", 3, seconds=1.5)


def enlarge(clip, to, size):
    """Writes a clip's pictures and sound in another size: drawing one that large takes 20 times as long."""
    sound = decoding.Sound()
    pictures = [cv2.resize(picture.rgb(), size) for picture in decoding.decode(clip, sound=sound)]
    mp4.write(to, pictures, sound.samples(), size=size, fps=10)


@pytest.fixture(scope="module")
def strange(tmp_path_factory):
    """Files that people drop: {name: (path, words of the answer)}."""
    folder = tmp_path_factory.mktemp("strange")
    made = {name: folder / f"{name}.mp4" for name in ("text", "empty", "faceless", "silent", "4K", "long", "bomb")}
    made["text"].write_text("dear diary\n" * 100)
    made["empty"].touch()
    synthetic.clip(made["faceless"], "happy", 3, seconds=1.5, face=False, sound=False)
    synthetic.clip(made["silent"], "happy", 3, seconds=1.5, sound=False)
    enlarge(synthetic.clip(folder / "small.mp4", "happy", 3, seconds=0.6, fps=10), made["4K"], (3840, 2160))
    mp4.write(made["long"], [np.zeros((64, 64, 3), np.uint8)] * 601, size=(64, 64), fps=1)
    with zipfile.ZipFile(made["bomb"], "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("clip.mp4", bytes(30 << 20))
    made["sound"] = folder / "sound.wav"
    soundfile.write(made["sound"], np.random.default_rng(0).normal(0, 0.1, 48_000), 48_000)
    words = {
        "text": "No answer. text.mp4: no pictures could be read",
        "empty": "No answer. empty.mp4: the file is empty",
        "faceless": "no face in any of its",
        "silent": "answered from the video alone",
        "4K": "%",
        "long": "at most 120 s",
        "bomb": "No answer. bomb.mp4: no pictures could be read",
        "sound": "answered from the audio alone",
    }
    return {name: (path, words[name]) for name, path in made.items()}


def camera(folder):
    """What Chromium's fake camera and microphone take: {"video": y4m, "audio": wav}, a drawn face that speaks."""
    import av

    clip, sound = synthetic.clip(folder / "camera.mp4", "happy", 4, seconds=4, fps=30), decoding.Sound()
    with av.open(str(folder / "camera.y4m"), "w", format="yuv4mpegpipe") as out:
        stream = out.add_stream("rawvideo", rate=30)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for picture in decoding.decode(clip, sound=sound):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture.rgb(), format="rgb24")))
        out.mux(stream.encode(None))
    soundfile.write(folder / "camera.wav", sound.samples(), 48_000)
    return {"video": folder / "camera.y4m", "audio": folder / "camera.wav"}


def test_an_answer_holds_its_video_and_its_pictures_and_needs_no_file(predictor, clip, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    told = app.answer(clip, predictor)
    assert predictor.predict(clip).sentence in told
    assert 'src="data:video/mp4;base64,' in told and 'src="data:image/jpeg;base64,' in told and "<svg" in told
    assert not list(tmp_path.iterdir())


def test_each_strange_file_has_a_readable_answer(predictor, strange):
    for name, (path, words) in strange.items():
        told = re.sub(r'src="[^"]*"', "", app.answer(path, predictor))
        assert words in told, f"{name}: {told}"
        assert str(path.parent) not in told, "where the server keeps its files is nobody's business"


def test_a_name_is_shown_and_not_obeyed(predictor, tmp_path):
    path = tmp_path / "<img src=x onerror=alert(1)>.mp4"
    path.write_text("no clip")
    assert "<img src=x" not in app.answer(path, predictor) and "&lt;img src=x" in app.answer(path, predictor)


def test_a_failure_of_ours_is_told_without_its_insides(clip, capsys):
    class Broken:
        def predict(self, path):
            raise RuntimeError("a secret of the server")

    told = app.answer(clip, Broken())
    assert "new.mp4: something went wrong here" in told and "secret" not in told
    assert "a secret of the server" in capsys.readouterr().err


def test_an_answer_that_takes_too_long_is_given_up_and_says_so(clip, monkeypatch):
    class Slow:
        def predict(self, path):
            while True:
                with contextlib.suppress(Exception):  # as what reads damaged clips does
                    time.sleep(0.01)

    monkeypatch.setattr(app, "DEADLINE", 0.1)
    assert "new.mp4: it takes longer than 0.1 s here; cut it" in app.answer(clip, Slow())
    assert "takes longer than" not in app.answer(clip.with_name("absent.mp4"), Slow()), "the next has its own time"
    time.sleep(0.2)


def test_a_sound_that_cannot_be_read_does_not_say_where_the_server_keeps_it(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"RIFF" + bytes(100))
    told = app.answer(tmp_path / "a.wav", predict.by_name(None))
    assert "No answer. a.wav" in told and str(tmp_path) not in told


def test_the_page_claims_no_training_that_the_model_does_not_record():
    texts = app.TRAINED | {"always": app.INTRODUCTION + app.LIMITS}
    assert [name for name, text in texts.items() if "RAVDESS" in text] == ["ravdess"]
    assert "not recorded" in texts[""] and "drawn faces" in texts["synthetic"]


def test_the_words_of_a_model_are_no_markdown_that_could_link_to_another_host():
    pytest.importorskip("gradio")
    told = "people ![](https://other.example/pixel.png) <b>"
    page = app.build(types.SimpleNamespace(trained_on=told), uploads.UploadRegistry())
    shown = {part["type"]: part["props"]["value"] for part in page.config["components"] if "pixel" in str(part)}
    assert list(shown) == ["html"] and "&lt;b&gt;" in shown["html"]


def test_without_a_model_it_says_what_to_do(tmp_path):
    with pytest.raises(SystemExit, match=r"no exported model .*: leave the name out for the pretrained one"):
        app.main([str(tmp_path / "nothing")])


class TestThePage:
    pytestmark = chromium.marks("gradio", "gradio_client")

    @pytest.fixture(scope="class")
    def server(self, request, tmp_path_factory):
        """(address, process, folder of its temporary files) of a server of its own."""
        folder = tmp_path_factory.mktemp("server")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        model = [os.environ.get("APP_MODEL")]
        if not model[0]:
            model = [request.getfixturevalue("small_runs")[0] / "fusion", "--fold", "1"]
        words = [sys.executable, "-m", "helpers.predict.app", *model, "--port", str(port)]
        log, address = folder / "log.txt", f"http://127.0.0.1:{port}"
        (folder / "tmp").mkdir()
        with log.open("w") as file:
            env = {**os.environ, "TMPDIR": str(folder / "tmp")}
            process = subprocess.Popen(words, env=env, stdout=file, stderr=file)
        try:
            chromium.wait_for(lambda: process.poll() is not None or "Open http" in log.read_text(), 180)
            assert process.poll() is None, log.read_text()
            yield address, psutil.Process(process.pid), folder / "tmp"
            assert process.poll() is None, log.read_text()
        finally:
            process.terminate()
            process.wait(60)

    @pytest.fixture
    def page(self, server, tmp_path, request):
        """The page in a Chromium of its own, whose camera and microphone show a drawn face that speaks.

        A parameter is the width in pixels and "light" or "dark".
        """
        from playwright.sync_api import sync_playwright

        width, scheme = getattr(request, "param", (1280, "light"))
        fake = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--mute-audio"]
        fake += [f"--use-file-for-fake-{kind}-capture={file}" for kind, file in camera(tmp_path).items()]
        with sync_playwright() as driver:
            browser = chromium.start(driver, *fake)
            page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            page.set_default_timeout(60_000)
            page.asked = []
            page.on("request", lambda request: page.asked.append(request.url))
            page.goto(server[0])
            page.wait_for_selector("#answer", state="attached")
            yield page
            browser.close()

    @staticmethod
    def kept(folder):
        return [path for path in folder.rglob("*") if path.is_file()]

    def drop(self, page, path):
        """Gives the page a file; what it answers."""
        page.locator("input[type=file]").first.set_input_files(path)
        page.wait_for_selector("#answer :is(.answer, .refusal)")
        return page.locator("#answer").inner_text()

    def test_an_mp4_is_answered_and_shown_and_nothing_of_it_is_kept(self, page, server, clip, predictor):
        told = self.drop(page, clip)
        assert predictor.predict(clip).sentence in told
        assert page.evaluate("document.querySelector('#answer img').naturalWidth") > 500
        page.wait_for_function("document.querySelector('#answer video').duration > 1")
        assert "Do not use it to decide anything about anybody" in page.locator("body").inner_text()
        assert not self.kept(server[2])
        others = {url for url in page.asked if not url.startswith((server[0], "data:", "blob:"))}
        assert not others, "no other host is asked for anything"

    def test_each_strange_file_is_answered_and_gone(self, page, server, strange):
        for name, (path, words) in strange.items():
            page.goto(server[0])
            assert words in self.drop(page, path), name
            assert not self.kept(server[2]), name

    def test_a_take_of_the_webcam_is_answered(self, page, server):
        page.get_by_role("tab", name="The webcam").click()
        page.get_by_label("grant webcam access").or_(page.get_by_text("Click to Access Webcam")).first.click()
        page.get_by_label("start recording").or_(page.get_by_text("Record", exact=True)).first.click()
        page.wait_for_timeout(2500)
        page.get_by_label("stop recording").or_(page.get_by_text("Stop", exact=True)).first.click()
        page.wait_for_selector("#answer :is(.answer, .refusal)")
        assert page.locator("#answer .bar").count() == 8 and page.locator("#answer video").count() == 1
        assert not self.kept(server[2])

    @pytest.mark.parametrize("page", [(375, "dark"), (768, "light"), (1280, "light")], indirect=True)
    def test_the_example_fits_a_phone_and_follows_the_dark_theme(self, page, server):
        page.get_by_text("a drawn face with a synthesised voice").click()
        page.wait_for_selector("#answer .answer")
        page.wait_for_function("document.querySelector('#answer video').readyState > 1")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing to scroll sideways"
        width, scheme = page.viewport_size["width"], page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
        assert (page.locator(".what").bounding_box()["y"] == page.locator(".where").bounding_box()["y"]) == (
            width > 375
        )
        ink = page.locator("#answer h2").evaluate("heading => getComputedStyle(heading).color")
        assert (min(map(int, re.findall(r"\d+", ink)[:3])) > 150) == scheme, ink
        if os.environ.get("SCREENSHOTS"):  # docs/app.png is app-1280.png of APP_MODEL=pretrained/model.zip
            page.wait_for_timeout(2000)
            page.screenshot(path=pathlib.Path(os.environ["SCREENSHOTS"]) / f"app-{width}.png", full_page=True)
        assert not self.kept(server[2])

    def test_the_live_tab_answers_until_it_is_left_and_nothing_is_kept(self, page, server):
        page.get_by_role("tab", name="Live").click()
        page.evaluate("""() => {
            const devices = navigator.mediaDevices, open = devices.getUserMedia.bind(devices);
            window.streams = [];
            devices.getUserMedia = async what => { const one = await open(what); streams.push(one); return one; };
            const button = document.querySelector('.live button');
            button.click();
            button.click();
        }""")
        page.wait_for_selector(".live .bar")
        assert page.evaluate("streams.length") == 1, "a second click opens no second camera"
        delays = page.evaluate("""() => new Promise(done => {
            const status = document.querySelector('.live [role=status]'), delays = [];
            new MutationObserver(() => {
                delays.push([performance.now() / 1000, parseFloat(status.textContent)]);
                if (delays.length === 10) done(delays);
            }).observe(status, {childList: true});
        })""")
        times, behind = zip(*delays)
        print(f"{9 / (times[-1] - times[0]):.2f} answers a second, seconds behind: {behind}")
        assert page.locator(".live .face").is_visible(), "the box lies over the picture"
        asked = [url for url in page.asked if "component_server" in url]
        page.get_by_role("tab", name="A file").click()
        page.wait_for_function("document.querySelector('.live video').srcObject === null")
        page.wait_for_timeout(2000)
        assert len([url for url in page.asked if "component_server" in url]) <= len(asked) + 1, (
            "who leaves asks no more"
        )
        assert not self.kept(server[2])

    def test_two_who_speak_live_each_get_their_own_answer(self, server, tmp_path):
        config = requests.get(f"{server[0]}/config", timeout=60).json()
        number = next(part["id"] for part in config["components"] if "live" in part["props"].get("server_fns", []))
        questions = [
            live_question(synthetic.clip(tmp_path / f"{face}.mp4", "happy", 3, seconds=1.6, fps=30, face=face))
            for face in (True, False)
        ]

        def ask(n):
            question = {
                "data": questions[n % 2],
                "component_id": number,
                "fn_name": "live",
                "session_hash": f"s{n % 2}",
            }
            return requests.post(f"{server[0]}/gradio_api/component_server/", json=question, timeout=60).json()

        with concurrent.futures.ThreadPoolExecutor(2) as two:
            told = list(two.map(ask, range(8)))
        assert [bool(reply["box"]) for reply in told] == [True, False] * 4, told
        assert not self.kept(server[2])

    def test_a_path_of_the_servers_own_is_neither_read_nor_deleted(self, server, clip):
        address = f"{server[0]}/gradio_api/call/answer"
        for path in (str(clip), "../../../../etc/passwd", str(server[2] / ".." / "log.txt"), 7):
            asked = {"data": [{"path": path, "meta": {"_type": "gradio.FileData"}}]}
            event = requests.post(address, json=asked, timeout=60).json()["event_id"]
            told = requests.get(f"{address}/{event}", timeout=60).text
            assert "is not here any more" in told or "event: error" in told, told[:500]
        assert clip.exists() and (server[2] / ".." / "log.txt").exists()

    def test_an_upload_named_like_a_path_stays_where_uploads_are(self, server, clip):
        file = {"files": ("../../../escaped.mp4", clip.read_bytes(), "video/mp4")}
        kept = requests.post(f"{server[0]}/gradio_api/upload", files=file, timeout=60).json()
        assert pathlib.Path(kept[0]).resolve().is_relative_to(server[2].resolve())
        address = f"{server[0]}/gradio_api/call/answer"
        asked = {"data": [{"path": kept[0], "meta": {"_type": "gradio.FileData"}}]}
        event = requests.post(address, json=asked, timeout=60).json()["event_id"]
        assert "data:video/mp4" in requests.get(f"{address}/{event}", timeout=120).text
        assert not self.kept(server[2]) and not list(server[2].parent.rglob("escaped*"))

    def test_another_sites_name_or_page_is_refused_and_a_large_request_too(self, server):
        for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
            assert requests.get(f"{server[0]}/config", headers=headers, timeout=60).status_code in (400, 403), headers
        assert requests.get(f"{server[0]}/config", headers={"Origin": server[0]}, timeout=60).ok
        before = server[1].memory_info().rss
        address = f"{server[0]}/gradio_api/call/answer"
        asked = requests.post(address, data=(b"[" * (1 << 20) for _ in range(100)), timeout=60)
        assert asked.status_code == 413 and server[1].memory_info().rss < before + 100e6

    def test_what_gradio_would_write_to_the_disk_by_itself_is_not_there(self, server, clip):
        recording = {"video": ("a.mp4", clip.read_bytes(), "video/mp4")}
        assert (
            requests.post(f"{server[0]}/gradio_api/process_recording", files=recording, timeout=60).status_code == 404
        )
        link = f"{server[0]}/gradio_api/deep_link?session_hash=a"
        assert requests.get(link, timeout=60).status_code == 404 and not self.kept(server[2])

    def test_a_half_sent_or_broken_off_upload_leaves_nothing(self, server, clip):
        host, port = server[0].removeprefix("http://").split(":")
        head = "POST /gradio_api/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n"
        head += "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
        body = '--x\r\nContent-Disposition: form-data; name="files"; filename="a.mp4"\r\n\r\n' + 1000 * "a"
        with socket.create_connection((host, int(port))) as half:
            half.sendall((head + body).encode())
            chromium.wait_for(lambda: self.kept(server[2]), 10)
            self.ask(server, clip)
            assert not [path for path in self.kept(server[2]) if path.suffix], "the answered clip is gone"
        chromium.wait_for(lambda: not self.kept(server[2]), 10)

    @staticmethod
    def ask(server, clip):
        """Sends a clip; what the page answers."""
        file = {"files": (clip.name, clip.read_bytes(), "video/mp4")}
        kept = requests.post(f"{server[0]}/gradio_api/upload", files=file, timeout=60).json()
        address = f"{server[0]}/gradio_api/call/answer"
        asked = {"data": [{"path": kept[0], "meta": {"_type": "gradio.FileData"}}]}
        event = requests.post(address, json=asked, timeout=60).json()["event_id"]
        return requests.get(f"{address}/{event}", timeout=120).text

    @pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGHUP])
    def test_an_upload_that_nobody_asks_about_goes_in_time_and_with_the_server(self, end, clip, tmp_path):
        code = "from helpers.predict import app; app.KEPT = (1, 2); app.main()"
        env = {**os.environ, "TMPDIR": str(tmp_path)}
        with (tmp_path / "log.txt").open("w") as log:
            process = subprocess.Popen([sys.executable, "-c", code], env=env, stdout=log, stderr=log)
        try:
            log = tmp_path / "log.txt"
            chromium.wait_for(lambda: process.poll() is not None or "Open http" in log.read_text(), 180)
            address = re.search(r"http\S+", log.read_text())[0].rstrip("/")

            def send():
                requests.post(f"{address}/gradio_api/upload", files={"files": ("a.mp4", b"content")}, timeout=60)
                assert list(tmp_path.rglob("a.mp4"))

            send()
            chromium.wait_for(lambda: not list(tmp_path.rglob("a.mp4")), 20)
            send()
            process.send_signal(end)
            assert process.wait(20) == 0 and [path.name for path in tmp_path.iterdir()] == ["log.txt"]
        finally:
            process.kill()

    def test_fifty_at_once_are_queued_and_all_answered(self, server, clip):
        import gradio_client

        def ask(_):
            client = gradio_client.Client(server[0], verbose=False)
            return client.predict(gradio_client.handle_file(str(clip)), api_name="/answer")

        with concurrent.futures.ThreadPoolExecutor(50) as crowd:
            told = list(crowd.map(ask, range(50)))
        assert len(told) == 50 and all('class="answer"' in answer for answer, _ in told)
        assert not self.kept(server[2])

    def test_two_hundred_clips_leave_its_memory_as_it_was(self, server, clip):
        import gradio_client

        client, sizes = gradio_client.Client(server[0], verbose=False), []
        for number in range(200):
            client.predict(gradio_client.handle_file(str(clip)), api_name="/answer")
            if number % 20 == 19:
                sizes.append(server[1].memory_info().rss / 1e6)
        print("memory in MB after every twentieth clip:", [round(size) for size in sizes])
        assert sizes[-1] < sizes[1] + 50, sizes
