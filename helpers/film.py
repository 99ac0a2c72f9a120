"""Films: pictures and sound into mp4 files that every browser plays, H.264 and AAC."""

from fractions import Fraction

import numpy as np

from helpers import media

BLOCK = 1024  # samples that go into one AAC frame


def write(path, frames=None, samples=None, *, size=None, fps=30, rate=48_000):
    """Encodes frames (or none) and mono samples (or none), each on one thread so that the bytes repeat.

    Args:
        path: where to write; .mp4 whatever it is called.
        frames: uint8 (height, width, 3) RGB, one after the other; may be a generator.
        samples: float (n,), −1 to 1.
        size: (width, height) of the frames, both even.
        fps: frames a second, a number or a Fraction.
        rate: of the samples, Hz.
    """
    import av

    fps = Fraction(fps).limit_denominator(10_000)
    with av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact"}) as out:
        streams = []
        if frames is not None:
            options = {"preset": "superfast", "crf": "25", "threads": "1"}
            video = out.add_stream("libx264", rate=fps, options=options)
            video.width, video.height, video.pix_fmt, video.codec_context.time_base = *size, "yuv420p", 1 / fps
            streams.append(video)
        if samples is not None:
            audio = out.add_stream("aac", rate=rate, layout="stereo", options={"threads": "1", "aac_coder": "fast"})
            audio.bit_rate = 96_000
            streams.append(audio)

        def speak(start, stop):
            for i in range(start, stop, BLOCK):
                both = np.repeat(samples[None, i : min(i + BLOCK, stop)].astype(np.float32), 2, 0)
                block = av.AudioFrame.from_ndarray(both, "fltp", "stereo")
                block.sample_rate, block.pts, block.time_base = rate, i, Fraction(1, rate)
                out.mux(audio.encode(block))

        said = 0
        for i, picture in enumerate(frames if frames is not None else ()):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = i, 1 / fps
            out.mux(video.encode(frame))
            if samples is not None:  # the sound keeps pace, so that the two lie interleaved in the file
                until = min(int((i + 1) / fps * rate) // BLOCK * BLOCK, len(samples))
                speak(said, until)
                said = until
        if samples is not None:
            speak(said, len(samples))
        for stream in streams:
            out.mux(stream.encode(None))


def steady(path, fps, sound=None):
    """Yields a clip's pictures at a steady rate, whatever its own: at each tick the one that stands there.

    Args:
        path: anything PyAV opens.
        fps: ticks a second.
        sound: media.Sound to fill on the way, or None.

    Yields:
        media.Picture; the same one again where the clip has fewer.

    Raises:
        ClipError: as `media.decode`.
    """
    first = kept = None
    tick, until = 0, 0.0
    for picture in media.decode(path, sound=sound):
        first = picture.time if first is None else first
        while kept is not None and tick / fps < picture.time - first:
            yield kept
            tick += 1
        # The last picture stands as long as the one before it did.
        until = picture.time - first + (picture.time - kept.time if kept else 0)
        kept = picture
    while tick / fps < until or not tick:
        yield kept
        tick += 1


def join(paths, out, size=None, fps=25, rate=48_000):
    """Clips one after the other as one clip.

    Args:
        paths: list of clips with pictures and sound; at least one.
        out: file to write, .mp4.
        size: (width, height), both even; by default that of the first clip.
        fps: frames a second.
        rate: of the sound, Hz.

    Returns:
        out.

    Raises:
        ClipError: a clip cannot be read.
    """
    import librosa

    if size is None:
        height, width = next(steady(paths[0], fps)).gray.shape
        size = (width // 2 * 2, height // 2 * 2)
    sounds = []
    for path in paths:
        sound = media.Sound()
        wanted = round(sum(1 for _ in steady(path, fps, sound)) / fps * rate)
        samples = librosa.resample(sound.samples(), orig_sr=sound.rate or rate, target_sr=rate, res_type="soxr_hq")
        # The sound of each is made as long as its pictures, so that the next begins on both.
        sounds.append(np.pad(samples[:wanted], (0, max(0, wanted - len(samples)))))
    frames = (resized(picture, size) for path in paths for picture in steady(path, fps))
    write(out, frames, np.concatenate(sounds), size=size, fps=fps, rate=rate)
    return out


def resized(picture, size):
    """A media.Picture as uint8 (height, width, 3), stretched to size = (width, height)."""
    import cv2

    how = cv2.INTER_AREA if size[1] < picture.gray.shape[0] else cv2.INTER_LINEAR
    return cv2.resize(picture.rgb(), size, interpolation=how)
