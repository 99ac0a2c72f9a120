import asyncio
import concurrent.futures
import json
import os

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


def arrive(registry, *paths, meanwhile=None, half=None):
    """An upload of files; `half` is called when half of it is here, `meanwhile` when all is and it has no answer."""
    body = json.dumps([str(path) for path in paths]).encode()
    assert request(registry, "/gradio_api/upload", 200, body, meanwhile, half) == body


def request(registry, path, status=200, body=b"", meanwhile=None, half=None, sent=b"content", headers=()):
    """One request through the registry, of an app that reads it and answers so."""
    parts = [(sent[:3], True), (sent[3:], False)]

    async def receive():
        if len(parts) == 1 and half:
            with concurrent.futures.ThreadPoolExecutor(1) as other:  # it may send requests of its own
                other.submit(half).result()
        content, more = parts.pop(0)
        return {"type": "http.request", "body": content, "more_body": more}

    async def app(scope, receive, send):
        while (await receive())["more_body"]:
            pass
        if meanwhile:
            meanwhile()
        await send({"type": "http.response.start", "status": status, "headers": []})
        half = len(body) // 2
        await send({"type": "http.response.body", "body": body[:half], "more_body": True})
        await send({"type": "http.response.body", "body": body[half:]})

    answer = []

    async def send(message):
        answer.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "headers": headers}
    asyncio.run(uploads.same_origin(registry.watch(app))(scope, receive, send))
    return b"".join(message.get("body", b"") for message in answer)


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


def test_a_codec_that_ffmpeg_lacks_passes_too(tmp_path):
    clip = synthetic.clip(tmp_path / "a.mp4", "happy", 3, seconds=0.6)
    clip.write_bytes(clip.read_bytes().replace(b"avc1", b"zzzz"))
    uploads.check(clip)


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


def test_nothing_is_deleted_between_an_uploads_last_byte_and_its_answer(tmp_path):
    """The same clip may be what arrives: then it is already written, and not yet known."""
    registry, path = uploads.UploadRegistry(), put(tmp_path)
    arrive(registry, path)

    def answered():
        with registry.lend(path):
            pass
        assert path.exists()

    arrive(registry, path, meanwhile=answered)
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


def test_an_upload_that_never_ends_keeps_no_answered_clip(tmp_path):
    registry, path = uploads.UploadRegistry(), put(tmp_path)
    arrive(registry, path)

    def answered():
        with registry.lend(path):
            pass
        assert not path.exists()

    arrive(registry, put(tmp_path / "b"), half=answered)


def test_what_a_broken_off_upload_leaves_is_gone_when_the_last_one_ends_or_its_time_is_over(tmp_path):
    registry, path = uploads.UploadRegistry(tmp_path), put(tmp_path)
    half, old = tmp_path / "tmp123", tmp_path / "tmp456"

    def writing():
        half.touch()
        old.touch()
        os.utime(old, (0, 0))
        arrive(registry, put(tmp_path, "other.mp4"))
        assert half.exists() and not old.exists(), "the first is still on its way, the other has had its time"

    arrive(registry, path, half=writing)
    assert not half.exists() and path.exists()


def test_a_clip_that_was_deleted_unasked_is_forgotten(tmp_path, monkeypatch):
    registry, path = uploads.UploadRegistry(), put(tmp_path)
    monkeypatch.setattr(uploads, "MOST_WAITING", 1)
    arrive(registry, path)
    pytest.importorskip("starlette")
    assert b"too many clips" in request(registry, "/gradio_api/upload", 200, b"[]")
    path.unlink()
    assert b"too many clips" not in request(registry, "/gradio_api/upload", 200, b"[]")


def test_several_files_in_one_request_are_deleted_at_once(tmp_path):
    paths = [put(tmp_path / str(n)) for n in range(3)]
    arrive(uploads.UploadRegistry(), *paths)
    assert not any(path.exists() for path in paths)


def test_a_body_that_is_too_large_or_too_slow_is_stopped(monkeypatch):
    exceptions = pytest.importorskip("starlette.exceptions")
    monkeypatch.setattr(uploads, "MOST_JSON", 100)
    request(uploads.UploadRegistry(), "/gradio_api/queue/join", sent=bytes(100))
    with pytest.raises(exceptions.HTTPException, match="413"):
        request(uploads.UploadRegistry(), "/gradio_api/queue/join", sent=bytes(101))
    with pytest.raises(exceptions.HTTPException, match="413"):
        request(uploads.UploadRegistry(), "/gradio_api/upload", sent=bytes(uploads.MOST_BYTES + 101))
    monkeypatch.setattr(uploads, "MOST_SENDING", 0)
    with pytest.raises(exceptions.HTTPException, match="408"):
        request(uploads.UploadRegistry(), "/gradio_api/upload")


@pytest.mark.parametrize(
    "origin", [b"https://evil.example", b"null", b"http://localhost.evil.example:7860", b"http://["]
)
def test_the_page_of_another_site_cannot_ask(origin):
    pytest.importorskip("starlette")
    own = [(b"host", b"localhost:7860"), (b"origin", b"http://localhost:7860")]
    assert request(uploads.UploadRegistry(), "/x", body=b"yes", headers=own) == b"yes"
    foreign = [(b"host", b"localhost:7860"), (b"origin", origin)]
    assert b"another site" in request(uploads.UploadRegistry(), "/x", body=b"yes", headers=foreign)
