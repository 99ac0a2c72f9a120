"""Pictures and sound into mp4 files that every browser plays, H.264 and AAC."""

from fractions import Fraction

import numpy as np

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
