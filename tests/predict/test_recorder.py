"""Colab's half of it is stood in for: its module `google.colab`, by one that does what Colab documents."""

import sys
import types

import chromium
import pytest

from helpers import runtime
from helpers.predict import recorder
from helpers.video import decoding


@pytest.fixture
def colab(monkeypatch):
    """A stand-in for google.colab; its two functions are set by the test."""
    package = types.ModuleType("google.colab")
    package.files, package.output = types.SimpleNamespace(), types.SimpleNamespace()
    monkeypatch.setitem(sys.modules, "google.colab", package)
    monkeypatch.setattr(runtime, "in_colab", lambda: True)
    return package


def test_a_path_is_taken_as_it_is_and_a_wrong_one_is_named(tmp_path):
    (tmp_path / "mine.mp4").write_bytes(b"a clip")
    assert recorder.clip(str(tmp_path / "mine.mp4"), tmp_path) == tmp_path / "mine.mp4"
    with pytest.raises(FileNotFoundError, match=r"no clip at .*other\.mp4"):
        recorder.clip(str(tmp_path / "other.mp4"), tmp_path)


@pytest.mark.parametrize("source", ["upload", "webcam"])
def test_outside_colab_upload_and_webcam_say_what_to_do(tmp_path, source):
    with pytest.raises(RuntimeError, match="set CLIP to the path of a file"):
        recorder.clip(source, tmp_path)


def test_an_upload_stays_in_the_folder_whatever_its_name(tmp_path, colab):
    colab.files.upload = lambda: {"../../my clip.mp4": b"a clip"}
    path = recorder.clip("upload", tmp_path / "clips")
    assert path == tmp_path / "clips" / "my clip.mp4" and path.read_bytes() == b"a clip"


def test_who_uploads_nothing_is_told_so(tmp_path, colab):
    colab.files.upload = dict
    with pytest.raises(FileNotFoundError, match="nothing was uploaded"):
        recorder.clip("upload", tmp_path)


def test_without_a_camera_a_file_is_asked_for(tmp_path, colab, capsys):
    def no_camera(script, timeout_sec):
        raise RuntimeError("NotAllowedError: Permission denied")

    colab.output.eval_js, colab.files.upload = no_camera, lambda: {"mine.mp4": b"a clip"}
    assert recorder.clip("webcam", tmp_path).name == "mine.mp4"
    assert "Permission denied" in capsys.readouterr().out


class TestInABrowser:
    """The script itself, in a Chromium whose camera and microphone are a test picture and a beep."""

    pytestmark = chromium.marks()

    @pytest.fixture
    def page(self):
        from playwright.sync_api import sync_playwright

        fake = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--mute-audio")
        with sync_playwright() as driver:
            browser = chromium.start(driver, *fake)
            page = browser.new_page()
            page.route("http://localhost/", lambda route: route.fulfill(body="<html><body></body></html>"))
            page.goto("http://localhost/")  # a camera is for secure pages, which this machine's own are
            yield page
            browser.close()

    def test_a_take_has_pictures_and_sound_of_the_length_asked_for(self, tmp_path, colab, page):
        colab.output.eval_js = lambda script, timeout_sec: page.evaluate(script)
        path = recorder.clip("webcam", tmp_path, seconds=2, countdown=1)
        sound = decoding.Sound()
        times = [picture.time for picture in decoding.decode(path, sound=sound)]
        assert 1.2 < times[-1] - times[0] < 3.5 and len(times) > 10
        assert 1.2 < len(sound.samples()) / sound.rate < 3.5
        assert page.evaluate("document.body.children.length") == 0, "the page is left as it was"

    def test_a_camera_that_is_refused_says_why(self, tmp_path, colab, page, capsys):
        page.evaluate("() => { navigator.mediaDevices.getUserMedia = async () => { throw new Error('in use') } }")
        colab.output.eval_js = lambda script, timeout_sec: page.evaluate(script)
        colab.files.upload = lambda: {"mine.mp4": b"a clip"}
        assert recorder.clip("webcam", tmp_path).name == "mine.mp4"
        assert "in use" in capsys.readouterr().out
