"""Seconds a clip: decoding alone, this pipeline, and the usual way; and how good the faces are.

    python benchmarks/preprocess.py CLIP_DIR [--repeat 3] [--frames 16] [--threads 1]
    python benchmarks/preprocess.py CLIP_DIR --soak 1000        memory and rate over many clips, two processes

The usual way is `face_recognition.face_locations` on every kept whole frame; it is timed on some consecutive frames of
each clip and scaled to all. Decoding alone keeps the same frames with OpenCV's grab and retrieve. All three in one run;
medians over clips and repeats. Prints one JSON line.
"""

import argparse
import functools
import json
import pathlib
import resource
import statistics
import time

import numpy as np

from helpers.audio import speech
from helpers.video import decoding, faces


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--frames", type=int, default=16, help="consecutive kept frames a clip for the usual way")
    parser.add_argument("--threads", type=int, default=0, help="of the video decoders, in all three; 0: one a core")
    parser.add_argument("--no-pool", action="store_true", help="leave out the two processes")
    parser.add_argument("--soak", type=int, metavar="CLIPS")
    options = parser.parse_args()
    paths = [str(p) for p in sorted(pathlib.Path(options.clips).rglob("01-01-*.mp4"))]
    if not paths:
        raise SystemExit(f"no 01-01-*.mp4 below {options.clips}")
    if options.soak:
        return print(json.dumps(soak(paths, options.soak)))
    usual_box(np.zeros((64, 64, 3), np.uint8))  # libraries are imported before any clip is timed
    prepare(paths[0])
    decode, pipeline = [], []
    for _ in range(options.repeat):
        for path in paths:
            decode.append(timed(decode_only, path, options.threads)[0])
            pipeline.append(timed(prepare, path, options.threads)[0])
    tracks = [faces.track(path) for path in paths]
    usual, ious, jitters = [], [], {"ours": [], "usual": []}
    for path, track, seconds in zip(paths, tracks, decode):
        some = [frame for _, frame in faces.kept_frames(path)][2 : 2 + options.frames]
        spent, boxes = timed(lambda some=some: [usual_box(frame) for frame in some])
        usual.append(seconds + spent / len(some) * len(track.times))
        ours = track.boxes[2 : 2 + options.frames]
        ious += [iou(a, b) for a, b in zip(ours, boxes) if b is not None]
        if all(box is not None for box in boxes):
            marks = np.array([landmarks(frame, box) for frame, box in zip(some, boxes)])
            usual_boxes = np.array(boxes, dtype=float)
            scale = np.mean(usual_boxes[:, 2] - usual_boxes[:, 0])
            jitters["ours"].append(jitter(ours, marks, scale))
            jitters["usual"].append(jitter(usual_boxes, marks, scale))
    d, p, u = map(statistics.median, (decode, pipeline, usual))
    result = {
        "clips": len(paths),
        "decoder_threads": options.threads,
        "decode_s": round(d, 4),
        "pipeline_s": round(p, 4),
        "usual_s": round(u, 3),
        "pipeline_per_decode": round(p / d, 2),
        "usual_per_pipeline": round(u / p, 1),
        "frames_with_face": round(float(np.mean(np.concatenate([t.found for t in tracks]))), 4),
        "iou_with_usual": round(float(np.mean(ious)), 3),
        "jitter_per_cent": round(float(np.mean(jitters["ours"])), 3),
        "usual_jitter_per_cent": round(float(np.mean(jitters["usual"])), 3),
    }
    if not options.no_pool:
        one, two = throughput(paths, 1), throughput(paths, 2)
        result |= {"clips_per_s_1_process": round(one, 2), "clips_per_s_2_processes": round(two, 2)}
        result["two_per_one"] = round(two / one, 2)
    print(json.dumps(result))


def timed(work, *arguments):
    start = time.perf_counter()
    result = work(*arguments)
    return time.perf_counter() - start, result


def decode_only(path, threads):
    """Keeps the frames the pipeline keeps, as OpenCV gives them."""
    import cv2

    capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, threads] if threads else [])
    due, kept = 0, 0
    while capture.grab():
        if capture.get(cv2.CAP_PROP_POS_MSEC) / 1000 + 1 / 60 >= due / 7.5:
            kept += capture.retrieve()[0]
            due += 1
    capture.release()
    return kept


def prepare(path, threads=0):
    """Faces and MFCC of one clip, in one pass."""
    sound = decoding.Sound()
    track = faces.track(path, sound=sound, threads=threads)
    return track, speech.mfcc(*speech.load(path, sound=sound))


def usual_box(frame):
    import face_recognition

    boxes = face_recognition.face_locations(frame)
    return max(boxes, key=lambda box: box[2] - box[0]) if boxes else None


def iou(a, b):
    """Intersection over union of two boxes, top right bottom left."""
    height, width = min(a[2], b[2]) - max(a[0], b[0]), min(a[1], b[1]) - max(a[3], b[3])
    both = max(0, height) * max(0, width)
    return both / ((a[2] - a[0]) * (a[1] - a[3]) + (b[2] - b[0]) * (b[1] - b[3]) - both)


def landmarks(frame, box):
    """Where the face really is: the mean of its eyes, nose and chin, (y, x) in pixels."""
    import face_recognition

    (marks,) = face_recognition.face_landmarks(frame, [tuple(map(int, box))])
    points = marks["left_eye"] + marks["right_eye"] + marks["nose_bridge"] + marks["nose_tip"] + marks["chin"][::4]
    return np.mean(points, axis=0)[::-1]


def jitter(boxes, marks, scale):
    """How much the face trembles in the crop: mean second difference, over consecutive frames, of the landmarks' place
    from the box's middle, in per cent of `scale`. A box that never moves leaves the head's own movement."""
    middle = np.stack([boxes[:, 0] + boxes[:, 2], boxes[:, 1] + boxes[:, 3]], axis=1) / 2
    return 100 * np.abs(np.diff(marks - middle, n=2, axis=0)).mean() / scale


def throughput(paths, workers, clips=24):
    """Clips a second through a pool of processes, each with one decoder thread."""
    from joblib import Parallel, delayed

    with Parallel(n_jobs=workers, backend="loky") as parallel:
        parallel(delayed(prepare)(path, 1) for path in paths[:1] * 4 * workers)  # workers started, libraries imported
        jobs = (delayed(functools.partial(prepare, threads=1))(paths[n % len(paths)]) for n in range(clips))
        return clips / timed(parallel, jobs)[0]


def soak(paths, clips):
    """The worker processes' largest memory over many clips."""
    from joblib import Parallel, delayed

    seconds, peaks = timed(Parallel(n_jobs=2), (delayed(peak_after)(paths[n % len(paths)]) for n in range(clips)))
    return {"clips": clips, "clips_per_s": round(clips / seconds, 2), "peak_mb_a_worker": round(max(peaks))}


def peak_after(path):
    prepare(path, 1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
