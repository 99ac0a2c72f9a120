import fractions

import av
import numpy as np
import pytest
import soundfile

from helpers.audio import speech
from helpers.data import mp4, synthetic
from helpers.data.exclusions import ClipError
from helpers.predict import uploads
from helpers.video import decoding


@pytest.fixture(scope="module")
def two_clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two_clips")
    return [synthetic.clip(folder / f"{emotion}.mp4", emotion, 3, seconds=1.5) for emotion in ("happy", "sad")]


def seconds_of(path):
    with av.open(str(path)) as container:
        return {stream.type: float(stream.duration * stream.time_base) for stream in container.streams}


def test_what_is_written_has_the_pictures_and_the_sound_it_was_given(tmp_path):
    frames = [np.full((48, 64, 3), 10 * n, dtype=np.uint8) for n in range(20)]
    tone = np.sin(np.arange(48_000) / 20).astype(np.float32)
    mp4.write(tmp_path / "a.mp4", iter(frames), tone, size=(64, 48), fps=20)
    sound = decoding.Sound()
    shown = [picture.rgb().mean() for picture in decoding.decode(tmp_path / "a.mp4", sound=sound)]
    assert np.allclose(shown, 10 * np.arange(20), atol=4)
    heard = sound.samples()[:48_000]
    assert sound.rate == 48_000 and np.corrcoef(heard[4000:40_000], tone[4000:40_000])[0, 1] > 0.9


@pytest.mark.parametrize("fps", [7, 60])
def test_resampling_repeats_or_drops_pictures_and_keeps_the_time(two_clips, fps):
    steady = list(decoding.resample_fps(two_clips[0], fps))
    assert len(steady) == pytest.approx(1.5 * fps, abs=3)
    late = [n / fps - (picture.time - steady[0].time) for n, picture in enumerate(steady)]
    assert min(late) >= -1e-6 and max(late) < 1 / 29.97 + 1e-3, "at each tick the picture that stands there"


def test_joined_clips_begin_where_the_one_before_ends_in_pictures_and_in_sound(two_clips, tmp_path):
    path = decoding.join(two_clips, tmp_path / "both.mp4", fps=25)
    long = seconds_of(path)
    assert long["video"] == pytest.approx(3.0, abs=0.1) and long["audio"] == pytest.approx(long["video"], abs=0.05)
    sounds = []
    for source in (*two_clips, path):
        sound = decoding.Sound()
        list(decoding.decode(source, pictures=False, sound=sound))
        sounds.append(sound.samples())
    at = round(long["video"] / 2 * 48_000)
    assert np.corrcoef(sounds[2][at + 2000 : at + 40_000], sounds[1][2000:40_000])[0, 1] > 0.8


def film(path, frames, codec="libx264", kind=None, fps=30, pix_fmt="yuv420p", stamps=None, **options):
    """Writes uint8 (H, W, 3) pictures; `stamps` are their numbers in time."""
    with av.open(str(path), "w", format=kind) as out:
        fps = fractions.Fraction(fps).limit_denominator(1001)
        stream = out.add_stream(codec, rate=fps, options=options)
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], pix_fmt
        for n, frame in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(frame, format="rgb24")
            frame.pts, frame.time_base = n if stamps is None else stamps[n], 1 / fps
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def shades(count, height=48, width=64):
    """Pictures that differ."""
    return [np.full((height, width, 3), 5 * n % 250, dtype=np.uint8) for n in range(count)]


def voice(path, rate=48_000, codec="aac", kind=None, layout="mono", seconds=1.0):
    """Writes a tone of 440 Hz."""
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(int(rate * seconds)) / rate).astype(np.float32)
    with av.open(str(path), "w", format=kind) as out:
        stream = out.add_stream(codec, rate=rate, layout=layout, options={"b": "128k"})
        resampler = av.AudioResampler(stream.format.name, layout, rate)
        for at in range(0, len(tone), 1024):
            frame = av.AudioFrame.from_ndarray(tone[None, at : at + 1024], "fltp", "mono")
            frame.sample_rate, frame.pts = rate, at
            for given in resampler.resample(frame):
                out.mux(stream.encode(given))
        out.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    "codec, name, options",
    [
        ("libx264", "a.mp4", {"bf": "2"}),
        ("libx264", "a.mkv", {"pix_fmt": "yuv420p10le"}),
        ("libx265", "a.mp4", {"x265-params": "log-level=none"}),
        ("libsvtav1", "a.mkv", {"preset": "12", "svtav1-params": "lp=1"}),
        ("libvpx-vp9", "a.webm", {"deadline": "realtime"}),
        ("libvpx", "a.webm", {"deadline": "realtime"}),
        ("prores_ks", "a.mov", {"pix_fmt": "yuv422p10le"}),
        ("mpeg4", "a.avi", {"bf": "2"}),
        ("mpeg2video", "a.mpg", {}),
        ("mjpeg", "a.avi", {"pix_fmt": "yuvj420p"}),
        ("flv1", "a.flv", {}),
        ("wmv2", "a.wmv", {}),
        ("ffv1", "a.mkv", {}),
    ],
)
def test_the_pictures_of_every_usual_codec_come_with_their_times(codec, name, options, tmp_path):
    path = film(tmp_path / name, shades(20, 64), codec, **options)
    times = [picture.time for picture in decoding.decode(path)]
    assert len(times) == 20 and np.allclose(np.diff(times), 1 / 30, atol=2e-3)


@pytest.mark.parametrize(
    "codec, name, layout",
    [("aac", "a.m4a", "5.1"), ("ac3", "a.ac3", "5.1"), ("libmp3lame", "a.mp3", "mono"), ("libopus", "a.ogg", "stereo")]
    + [("flac", "a.flac", "mono"), ("pcm_s24le", "a.wav", "5.1"), ("alac", "a.m4a", "stereo"), ("mp2", "a.mpg", "mono")]
    + [("pcm_s16be", "a.aiff", "stereo"), ("wmav2", "a.wma", "stereo"), ("pcm_f32le", "a.wav", "mono")],
)
def test_the_sound_of_every_usual_codec_is_heard(codec, name, layout, tmp_path):
    samples, rate = speech.load(voice(tmp_path / name, codec=codec, layout=layout))
    assert pitch(samples[6000:42_000], rate) == pytest.approx(440, abs=3)


def pitch(samples, rate):
    return np.abs(np.fft.rfft(samples * np.hanning(len(samples)))).argmax() * rate / len(samples)


@pytest.mark.parametrize("fps", [1 / 3, 1, 240, 1000])
def test_slow_and_fast_clips_keep_their_times(fps, tmp_path):
    times = [p.time for p in decoding.decode(film(tmp_path / "a.mp4", shades(12), fps=fps, bf="0"))]
    assert np.allclose(times, np.arange(12) / fps, atol=1e-3)


def test_a_variable_rate_and_a_late_start_are_kept(tmp_path):
    stamps = [30, 31, 32, 40, 41, 60, 61, 62]
    times = [p.time for p in decoding.decode(film(tmp_path / "a.mkv", shades(8), stamps=stamps, bf="0"))]
    assert np.allclose(np.subtract(times, times[0]) * 30, np.subtract(stamps, 30), atol=0.05)


def test_all_pictures_of_an_avi_with_b_frames_come_in_order(tmp_path):
    pictures = list(decoding.decode(film(tmp_path / "a.avi", shades(45), bf="2")))
    assert np.allclose(np.diff([picture.time for picture in pictures]), 1 / 30)
    assert np.allclose(
        [picture.gray.mean() for picture in pictures], [16 + 5 * n % 250 * 219 / 255 for n in range(45)], atol=4
    )


@pytest.mark.parametrize("kind, codec", [("adts", "aac"), ("mpegts", "aac"), ("mp3", "libmp3lame")])
def test_a_rate_that_changes_in_mid_stream_changes_neither_pitch_nor_length(kind, codec, tmp_path):
    parts = [voice(tmp_path / f"{rate}", rate, codec, kind).read_bytes() for rate in (44_100, 48_000)]
    (tmp_path / "a.mp4").write_bytes(b"".join(parts))
    samples, rate = speech.load(tmp_path / "a.mp4")
    half = len(samples) // 2
    assert len(samples) / rate == pytest.approx(2, abs=0.1)
    for part in (samples[4000 : half - 6000], samples[half + 6000 : -4000]):
        assert pitch(part, rate) == pytest.approx(440, abs=3)


def test_pictures_that_grow_in_mid_stream_are_refused_before_they_are_decoded(tmp_path):
    parts = [film(tmp_path / f"{n}", shades(5, n, n), kind="h264").read_bytes() for n in (64, 640)]
    (tmp_path / "a.h264").write_bytes(b"".join(parts))
    assert len(list(decoding.decode(tmp_path / "a.h264"))) == 10
    with decoding.limits(pixels=100_000), pytest.raises(ClipError, match=r"a\.h264: pictures of 640 × 640"):
        list(decoding.decode(tmp_path / "a.h264"))


def joined(path, parts):
    """Writes the pictures of several files as one stream, as they are packed."""
    with av.open(str(path), "w") as out:
        stream, number = None, 0
        for part in parts:
            with av.open(str(part)) as given:
                stream = stream or out.add_stream_from_template(given.streams.video[0])
                for packet in given.demux(given.streams.video[0]):
                    if packet.size:
                        packet.pts = packet.dts = round(number / 30 / packet.time_base)
                        packet.stream, number = stream, number + 1
                        out.mux(packet)
    return path


@pytest.mark.parametrize("codec, kind", [("libvpx-vp9", "webm"), ("libvpx", "webm")])
def test_a_size_that_grows_in_mid_stream_is_followed_or_named(codec, kind, tmp_path):
    options = {"deadline": "realtime", "lag-in-frames": "0"}
    parts = [film(tmp_path / f"{n}.{kind}", shades(5, n, n), codec, **options) for n in (64, 640)]
    path = joined(tmp_path / f"a.{kind}", parts)
    sizes = [picture.gray.shape for picture in decoding.decode(path)]
    assert sizes == [(64, 64)] * 5 + [(640, 640)] * 5
    with (
        decoding.limits(pixels=100_000),
        pytest.raises(ClipError, match=rf"a\.{kind}: a picture is larger than 0\.1 million"),
    ):
        list(decoding.decode(path))


@pytest.mark.parametrize(
    "codec, name, told",
    [
        ("flac", "a.flac", r"\d\.\d\d s of 4\.00 s of sound"),
        ("libmp3lame", "a.mp3", r"\d\.\d\d s of 4\.00 s of sound"),
        ("pcm_s16le", "a.wav", r"\d+,\d+ of 384,\d+ bytes"),
        ("libopus", "a.ogg", ""),
    ],
)
@pytest.mark.parametrize("share", [0.3, 0.6])
def test_a_sound_cut_short_is_told_where_the_file_says_how_long_it_was(share, codec, name, told, tmp_path):
    """An .ogg says so only at its end: what is there of it is taken."""
    path = voice(tmp_path / name, codec=codec, seconds=4.0)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    if told:
        with pytest.raises(ClipError, match=rf"{name}: cut short, {told} are there"):
            speech.load(path)
    else:
        samples, rate = speech.load(path)
        assert 4 * share - 1.1 < len(samples) / rate < 4 * share + 0.1
        assert pitch(samples[6000:-6000], rate) == pytest.approx(440, abs=3)


def test_a_quiet_start_makes_no_whole_sound_cut_short_where_the_length_is_guessed(tmp_path):
    """FFmpeg guesses the length of such a file from the bit rate of its first frames."""
    tone = np.sin(np.arange(6 * 44_100) / 16).astype(np.float32) * (np.arange(6 * 44_100) > 1.5 * 44_100)
    with av.open(str(tmp_path / "a.aac"), "w", format="adts") as out:
        stream = out.add_stream("aac", rate=44_100, layout="mono")
        for at in range(0, len(tone), 1024):
            frame = av.AudioFrame.from_ndarray(tone[None, at : at + 1024], "fltp", "mono")
            frame.sample_rate, frame.pts = 44_100, at
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    samples, rate = speech.load(tmp_path / "a.aac")
    assert len(samples) / rate == pytest.approx(6, abs=0.1) and seconds_of(tmp_path / "a.aac")["audio"] > 7


def test_a_clip_cut_without_encoding_it_again_is_whole(tmp_path):
    """As `ffmpeg -ss 1 -i whole.mp4 -c copy cut.mp4`: the pictures before the start stay in the file, unseen."""
    whole = synthetic.clip(tmp_path / "whole.mp4", "happy", 3, seconds=3, size=(320, 240))
    with av.open(str(whole)) as source, av.open(str(tmp_path / "cut.mp4"), "w") as out:
        streams = {stream.index: out.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None and (packet.stream.type == "video" or packet.pts * packet.time_base >= 1):
                packet.pts -= round(1 / packet.time_base)
                packet.dts -= round(1 / packet.time_base)
                packet.stream = streams[packet.stream.index]
                out.mux(packet)
    with av.open(str(tmp_path / "cut.mp4")) as container:
        assert container.streams.video[0].frames == 90
    assert len(list(decoding.decode(tmp_path / "cut.mp4"))) == pytest.approx(60, abs=2)


def test_a_wav_of_a_recorder_that_streams_does_not_tell_its_length_and_is_read(tmp_path):
    path = voice(tmp_path / "a.wav", codec="pcm_s16le", seconds=1.0)
    content = bytearray(path.read_bytes())
    content[4:8] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    samples, rate = speech.load(path)
    assert len(samples) / rate == pytest.approx(1, abs=0.05)


def test_aac_that_doubles_its_rate_keeps_pitch_and_length(tmp_path):
    """FFmpeg cannot write HE-AAC: here its header alone is that of one, and the decoder doubles the rate by itself."""
    path = voice(tmp_path / "a.m4a", rate=24_000, seconds=2.0)
    plain, doubled = bytes.fromhex("130856e500"), bytes.fromhex("2b09880000")  # 24 kHz; 24 kHz that becomes 48
    assert path.read_bytes().count(plain) == 1
    path.write_bytes(path.read_bytes().replace(plain, doubled))
    sound = decoding.Sound()
    list(decoding.decode(path, pictures=False, sound=sound))
    assert sound.rate == 48_000
    samples, rate = speech.load(path)
    assert len(samples) / rate == pytest.approx(2, abs=0.05)
    assert pitch(samples[6000:-6000], rate) == pytest.approx(440, abs=3)


def test_pictures_without_times_are_counted_against_the_limits(tmp_path):
    path = film(tmp_path / "a.h264", shades(90), kind="h264")
    assert [p.time for p in decoding.decode(path)] == pytest.approx(np.arange(90) / 30)
    with decoding.limits(seconds=2), pytest.raises(ClipError, match=r"a\.h264: more than 2 s of pictures"):
        list(decoding.decode(path))
    with decoding.limits(total=50 * 48 * 64), pytest.raises(ClipError, match="million pixels; make it smaller"):
        list(decoding.decode(path))


def test_a_gap_of_days_between_two_pictures_is_refused(tmp_path):
    path = film(tmp_path / "a.mkv", shades(20), stamps=[*range(10), *range(30_000_000, 30_000_010)], bf="0")
    with pytest.raises(ClipError, match="more than 7200 s of pictures by their times"):
        list(decoding.decode(path))


@pytest.mark.parametrize("rate, channels", [(1, 1), (655_350, 1), (48_000, 17)])
def test_sound_of_another_rate_or_more_channels_than_any_recording_is_refused(rate, channels, tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full((48_000, channels), 0.1), rate)
    with pytest.raises(ClipError, match=rf"a\.wav: sound of {rate} Hz in {channels} channels"):
        speech.load(tmp_path / "a.wav")


@pytest.mark.parametrize("kind", ["NIST", "SDS", "VOC", "PVF", "MAT5", "IRCAM"])
def test_a_sound_of_a_rare_kind_is_no_wav(kind, tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full(48_000, 0.1), 48_000, format=kind, subtype="PCM_16")
    with pytest.raises(ClipError, match=r"a\.wav: no sound could be read"):
        speech.load(tmp_path / "a.wav")


def test_sound_is_bounded_while_it_is_decoded_and_costs_the_pictures_nothing(tmp_path):
    path, sound = synthetic.clip(tmp_path / "a.mp4", "happy", 3, seconds=2.0), decoding.Sound()
    with decoding.limits(seconds=2.5):
        assert len(list(decoding.decode(path, sound=sound))) == 60
        soundfile.write(tmp_path / "a.flac", np.full(48_000 * 9, 0.1), 48_000)
        with pytest.raises(ClipError, match=r"a\.flac: more than 2 s of sound"):
            speech.load(tmp_path / "a.flac")


def test_an_answer_of_the_page_holds_its_limits_to_what_is_decoded(tmp_path):
    path = film(tmp_path / "a.h264", shades(30), kind="h264", fps=0.2)
    registry = uploads.UploadRegistry()
    registry._count(sent=[str(path)])
    with registry.lend(path) as clip, pytest.raises(ClipError, match="more than 120 s of pictures"):
        list(decoding.decode(clip))
