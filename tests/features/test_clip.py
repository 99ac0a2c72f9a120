import os

import pytest
import soundfile

from helpers import runtime
from helpers.audio import speech
from helpers.config import AudioConfig, VideoConfig
from helpers.data import own_clips
from helpers.features import building, clip
from helpers.video import faces


def raising(module, code):
    """A function of a file in the package that fails in its first line."""
    scope = {}
    exec(compile(f"def fail(*_):\n    {code}", str(runtime.PROJECT / module), "exec"), scope)
    return scope["fail"]


@pytest.mark.parametrize("kind", [KeyError, MemoryError, RuntimeError, UnicodeDecodeError])
def test_whatever_goes_wrong_while_a_clip_is_read_is_that_clips_exclusion(kind, talking, monkeypatch):
    def fail(*_):
        raise kind("utf-8", b"", 0, 1, "odd") if kind is UnicodeDecodeError else kind("odd")

    monkeypatch.setattr(faces, "track", fail)
    made, errors = clip.extract({"video": talking, "audio": talking}, VideoConfig(), AudioConfig())
    assert set(made) == {"audio"} and str(errors["video"]).startswith(f"{talking.name}: {kind.__name__}: ")


def test_whole_frames_are_spread_over_the_clip_and_scaled(talking):
    kept = [frame for _, frame in faces.kept_frames(talking)]  # 240 × 320
    whole = clip.whole_frames(talking, 3, (120, 160))
    assert whole.shape == (3, 120, 160, 3) and whole.dtype == "uint8"
    for got, frame in zip(whole, (kept[0], kept[round((len(kept) - 1) / 2)], kept[-1])):
        halved = frame.reshape(120, 2, 160, 2, 3).mean(axis=(1, 3))
        assert abs(halved - got).max() <= 1
    assert clip.whole_frames(talking, len(kept) + 5, (24, 32)).shape == (len(kept) + 5, 24, 32, 3), "frames come again"


def test_an_assertion_of_the_suite_stops_the_run_and_names_the_clip(talking, monkeypatch):
    monkeypatch.setattr(faces, "track", raising("helpers/video/faces.py", "assert False, 'a box of no size'"))
    with pytest.raises(AssertionError, match=f"{talking.name}: a fault of the suite itself: a box of no size"):
        clip.extract({"video": talking}, VideoConfig(), AudioConfig())
    monkeypatch.setattr(faces, "track", raising("elsewhere/library.py", "assert False, 'odd'"))
    assert "AssertionError: odd" in str(clip.extract({"video": talking}, VideoConfig(), AudioConfig())[1]["video"])


@pytest.mark.parametrize("stem", [b"x" * 251, "né 🙂".encode() * 31, b"caf\xe9"], ids=["long", "wide", "Latin-1"])
def test_a_clip_of_any_name_is_read_and_cached(stem, talking, tmp_path):
    path = tmp_path / "clips" / "happy" / os.fsdecode(stem + b".wav")
    path.parent.mkdir(parents=True)
    soundfile.write(tmp_path / "a.wav", *speech.load(talking))
    (tmp_path / "a.wav").rename(path)
    (path.parent / os.fsdecode(stem[:-1] + b".wav")).write_bytes(b"no sound")
    built = building.build(own_clips.index(tmp_path / "clips"), tmp_path / "cache", progress=False, workers=1)
    (name,), ((bad, reason),) = built.clip_id.tolist(), built.excluded
    assert "no sound could be read" in reason
    assert (name + bad).encode().startswith(b"happy/") and str(built.excluded).encode()
    assert len(building.cached_mfcc(tmp_path / "cache", path)) == built.audio_length[0]
