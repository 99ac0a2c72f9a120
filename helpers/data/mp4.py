"""Mp4 files of pictures and sound that every browser plays: H.264 and AAC."""

from fractions import Fraction

import numpy as np

BLOCK = 1024  # samples that go into one AAC frame
_SYNTHETIC = "synthetic clip: a drawn face, a synthesised voice"


def write(path, frames=None, samples=None, *, size=None, fps=30, rate=48_000, synthetic=False):
    """Encodes frames, mono samples or both as an mp4, each on one thread so that the bytes repeat.

    Args:
        frames, samples: iterable of uint8 (height, width, 3) RGB; float (n,), −1 to 1; one of them may be None.
        size, fps, rate: (width, height), both even; frames a second, a number or a Fraction; samples a second.
        synthetic: True says in the file that nobody was recorded; see `is_synthetic`.
    """
    import av

    fps = Fraction(fps).limit_denominator(10_000)
    with av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact"}) as out:
        streams = []
        if synthetic:
            out.metadata["comment"] = _SYNTHETIC
        if frames is not None:
            options = {"preset": "superfast", "crf": "25", "threads": "1"}
            video = out.add_stream("libx264", rate=fps, options=options)
            video.width, video.height, video.pix_fmt, video.codec_context.time_base = *size, "yuv420p", 1 / fps
            streams.append(video)
        if samples is not None:
            audio = out.add_stream("aac", rate=rate, layout="stereo", options={"threads": "1", "aac_coder": "fast"})
            audio.bit_rate = 96_000
            streams.append(audio)

        def encode_sound(start, stop):
            for i in range(start, stop, BLOCK):
                both = np.repeat(samples[None, i : min(i + BLOCK, stop)].astype(np.float32), 2, 0)
                block = av.AudioFrame.from_ndarray(both, "fltp", "stereo")
                block.sample_rate, block.pts, block.time_base = rate, i, Fraction(1, rate)
                out.mux(audio.encode(block))

        written = 0
        for i, picture in enumerate(frames if frames is not None else ()):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = i, 1 / fps
            out.mux(video.encode(frame))
            if samples is not None:  # the sound keeps pace, so that the two lie interleaved in the file
                until = min(int((i + 1) / fps * rate) // BLOCK * BLOCK, len(samples))
                encode_sound(written, until)
                written = until
        if samples is not None:
            encode_sound(written, len(samples))
        for stream in streams:
            out.mux(stream.encode(None))


def is_synthetic(path):
    """Whether a file says that it was drawn and synthesised here. False for whatever is no readable mp4."""
    import av

    try:
        with av.open(str(path), format="mp4", options={"protocol_whitelist": "file", "probesize": "5000"}) as container:
            return container.metadata.get("comment") == _SYNTHETIC
    except (av.FFmpegError, OSError, ValueError):  # ValueError: tags in another encoding
        return False
