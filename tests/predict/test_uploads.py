import asyncio
import json

import numpy as np
import pytest
import soundfile

from helpers.data import mp4, synthetic
from helpers.data.exclusions import ClipError
from helpers.predict import uploads


def put(folder, name="clip.mp4"):
    """An upload as the server keeps it: in a folder of its own."""
    path = folder / "c0ffee" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"content")
    return path


def arrive(registry, path, meanwhile=None):
    """An upload of a file; `meanwhile` is called when it is written and not yet answered."""
    body = json.dumps([str(path)]).encode()
    assert request(registry, "/gradio_api/upload", 200, body, meanwhile) == body


def request(registry, path, status, body, meanwhile=None):
    """One request through the registry, of an app that answers so."""

    async def app(scope, receive, send):
        if meanwhile:
            meanwhile()
        await send({"type": "http.response.start", "status": status, "headers": []})
        half = len(body) // 2
        await send({"type": "http.response.body", "body": body[:half], "more_body": True})
        await send({"type": "http.response.body", "body": body[half:]})

    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": path}
    asyncio.run(registry.watch(app)(scope, None, send))
    return b"".join(message.get("body", b"") for message in sent)


def test_an_ordinary_clip_and_a_sound_pass(tmp_path):
    uploads.check(synthetic.clip(tmp_path / "a.mp4", "happy", 3, seconds=1))
    soundfile.write(tmp_path / "a.wav", np.zeros(48_000), 48_000)
    uploads.check(tmp_path / "a.wav")


def test_what_would_take_too_long_is_refused_without_decoding_it(tmp_path, monkeypatch):
    soundfile.write(tmp_path / "long.wav", np.zeros(8000 * 600), 8000)
    with pytest.raises(ClipError, match=r"long\.wav: 600 s long; at most 120 s"):
        uploads.check(tmp_path / "long.wav")
    frame = np.zeros((2880, 5120, 3), dtype=np.uint8)
    mp4.write(tmp_path / "large.mp4", [frame] * 2, size=(5120, 2880), fps=25)
    with pytest.raises(ClipError, match=r"large\.mp4: 2 frames of 14\.7 million pixels"):
        uploads.check(tmp_path / "large.mp4")
    with (tmp_path / "heavy.mp4").open("wb") as file:
        file.truncate(51 << 20)
    with pytest.raises(ClipError, match=r"heavy\.mp4: 53 MB; at most 52 MB"):
        uploads.check(tmp_path / "heavy.mp4")
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(ClipError, match=r"empty\.mp4: the file is empty"):
        uploads.check(tmp_path / "empty.mp4")
    monkeypatch.setattr(uploads, "MOST_DECODED", 10 * 320 * 240)
    with pytest.raises(ClipError, match="30 frames of"):
        uploads.check(synthetic.clip(tmp_path / "many.mp4", "happy", 3, seconds=1))


def test_a_length_that_the_header_hides_is_found(tmp_path):
    """A recording of a browser names no length; its packets do."""
    import av

    with av.open(str(tmp_path / "take.webm"), "w", format="matroska", options={"live": "1"}) as out:
        stream = out.add_stream("libopus", rate=48_000)
        for n in range(0, 130):
            block = av.AudioFrame.from_ndarray(np.zeros((1, 48_000), np.float32), "fltp", "mono")
            block.sample_rate, block.pts = 48_000, n * 48_000
            out.mux(stream.encode(block))
        out.mux(stream.encode(None))
    with av.open(str(tmp_path / "take.webm")) as container:
        assert not container.duration
    with pytest.raises(ClipError, match="130 s long"):
        uploads.check(tmp_path / "take.webm")


def test_what_is_no_clip_passes_since_who_decodes_it_says_what_it_is(tmp_path):
    (tmp_path / "text.mp4").write_text("no clip\n" * 100)
    uploads.check(tmp_path / "text.mp4")


def test_an_upload_is_gone_with_its_folder_after_its_answer(tmp_path):
    registry, path = uploads.UploadRegistry(), put(tmp_path)
    arrive(registry, path)
    with registry.lend(path) as clip:
        assert clip.read_bytes() == b"content"
    assert not list(tmp_path.iterdir())
    with pytest.raises(ClipError, match="drop it once again"), registry.lend(path):
        pass


def test_it_is_gone_after_a_failure_too(tmp_path):
    registry, path = uploads.UploadRegistry(), put(tmp_path)
    arrive(registry, path)
    with pytest.raises(KeyError), registry.lend(path):
        raise KeyError
    assert not path.exists()


def test_a_file_that_two_people_sent_stays_until_both_are_answered(tmp_path):
    registry, path = uploads.UploadRegistry(), put(tmp_path)
    arrive(registry, path)
    arrive(registry, path)
    with registry.lend(path):
        pass
    assert path.exists()
    with registry.lend(path):
        pass
    assert not path.exists()


def test_nothing_is_deleted_under_an_upload_that_is_on_its_way(tmp_path):
    """The same clip may be what arrives: then it is already written, and not yet known."""
    registry, path = uploads.UploadRegistry(), put(tmp_path)
    arrive(registry, path)

    def answered():
        with registry.lend(path):
            pass
        assert path.exists()

    arrive(registry, path, answered)
    with registry.lend(path):
        pass
    assert not path.exists()


def test_a_path_that_nobody_uploaded_is_neither_read_nor_deleted(tmp_path):
    secret = put(tmp_path, "secret.mp4")
    registry = uploads.UploadRegistry()
    arrive(registry, put(tmp_path, "mine.mp4"))
    for path in (secret, tmp_path / "c0ffee" / ".." / "c0ffee" / "mine.mp4", "../../etc/passwd", ""):
        with pytest.raises(ClipError, match="drop it once again"), registry.lend(path):
            pass
    assert secret.exists()


def test_what_is_no_upload_or_was_refused_is_not_counted(tmp_path):
    registry, path = uploads.UploadRegistry(), put(tmp_path)
    answer = json.dumps([str(path)]).encode()
    for where, status, body in (("/gradio_api/upload", 413, b"too large"), ("/gradio_api/queue/join", 200, answer)):
        assert request(registry, where, status, body) == body
        with pytest.raises(ClipError), registry.lend(path):
            pass


def test_an_upload_that_fails_holds_nothing_up(tmp_path):
    registry, path = uploads.UploadRegistry(), put(tmp_path)
    arrive(registry, path)
    with pytest.raises(ValueError, match="broken off"):
        request(registry, "/gradio_api/upload", 200, b"[", lambda: (_ for _ in ()).throw(ValueError("broken off")))
    with registry.lend(path):
        pass
    assert not path.exists()
