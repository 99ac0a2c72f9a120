"""Does the page stand many clips of all kinds at once? Prints one JSON line.

    python benchmarks/soak.py [MODEL] [--clips 500] [--clients 8] [--seed 0]

Starts the page for MODEL, by default the pretrained one, and sends drawn clips, odd ones (long, large, silent, without
a face) and damaged ones, some of them broken off half-way. "answered" have probabilities, "refused" a reason; "lost"
have neither and must be 0. Memory is that of the server after each tenth of the clips, the first tenths warming it up;
"files_left" lie in its temporary folder at the end. Needs the packages of requirements-app.txt.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import numpy as np
import psutil
import requests
import soundfile

from helpers.data import mp4, synthetic

TENTHS, WARM = 10, 3  # the memory is compared from the third tenth on
PATIENCE = 900  # s that a client waits for an answer


def material(folder):
    """Files of all kinds: {kind: path}."""
    made = {name: folder / f"{name}.mp4" for name in ("good", "other", "silent", "faceless", "4K", "long", "text")}
    synthetic.clip(made["good"], "happy", 3, seconds=1.5)
    synthetic.clip(made["other"], "sad", 4, seconds=2.5)
    synthetic.clip(made["silent"], "calm", 5, seconds=1.5, sound=False)
    synthetic.clip(made["faceless"], "angry", 6, seconds=1.5, face=False)
    synthetic.clip(made["4K"], "happy", 3, seconds=0.6, size=(3840, 2160))
    mp4.write(made["long"], [np.zeros((64, 64, 3), np.uint8)] * 601, size=(64, 64), fps=1)
    made["text"].write_text("dear diary\n" * 100)
    made |= {"sound": folder / "sound.wav", "header": folder / "header.wav"}
    soundfile.write(made["sound"], np.random.default_rng(0).normal(0, 0.1, 96_000), 48_000)
    made["header"].write_bytes(b"RIFF" + bytes(200))
    return made


def one(address, number, made, seed):
    """Sends one clip: (kind, "answered", "refused", "broken off" or "lost")."""
    rng = np.random.default_rng((seed, number))
    kind = str(rng.choice([*made, "flipped", "cut", "broken off", "large", "elsewhere"]))
    content = bytearray(made.get(kind, made["good"]).read_bytes())
    if kind == "flipped":
        for place in rng.integers(len(content), size=20):
            content[place] ^= 1 << rng.integers(8)
    if kind == "cut":
        del content[rng.integers(len(content)) :]
    if kind == "large":
        content += bytes(60 << 20)
    name = made[kind].name if kind in made else f"{kind}.mp4"
    try:
        if kind == "broken off":
            head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.mp4"\r\n\r\n'

            def half():
                yield head + bytes(content[: len(content) // 2])
                raise OSError("the client hangs up")

            try:
                form = {"Content-Type": "multipart/form-data; boundary=x"}
                requests.post(f"{address}/gradio_api/upload", data=half(), headers=form, timeout=60)
            except OSError:
                return kind, "broken off"
        if kind == "elsewhere":
            path = "/etc/passwd"
        else:
            files = {"files": (name, bytes(content))}
            sent = requests.post(f"{address}/gradio_api/upload", files=files, timeout=PATIENCE)
            if not sent.ok:
                return kind, "refused" if sent.status_code in (413, 503) else "lost"
            path = sent.json()[0]
        asked = {"data": [{"path": path, "meta": {"_type": "gradio.FileData"}}]}
        event = requests.post(f"{address}/gradio_api/call/answer", json=asked, timeout=60).json()["event_id"]
        told = requests.get(f"{address}/gradio_api/call/answer/{event}", timeout=PATIENCE).text
    except (OSError, ValueError, LookupError) as error:
        print(kind, error, file=sys.stderr)
        return kind, "lost"
    found = re.search(r'class=\\"(answer|refusal)\\"', told)
    if not found:
        return kind, "refused" if kind == "elsewhere" and "event: error" in told else "lost"
    return kind, {"answer": "answered", "refusal": "refused"}[found[1]]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?")
    parser.add_argument("--clips", type=int, default=500)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        made, log, temporary = material(folder), folder / "log.txt", folder / "tmp"
        temporary.mkdir()
        words = [sys.executable, "-m", "helpers.predict.app", *([chosen.model] if chosen.model else [])]
        with log.open("w") as file:
            environment = {**os.environ, "TMPDIR": str(temporary)}
            server = subprocess.Popen(words, env=environment, stdout=file, stderr=file)
        try:
            while not (found := re.search(r"Open (http\S+?)/? in", log.read_text())):
                if server.poll() is not None:
                    sys.exit(log.read_text())
                time.sleep(0.2)
            process, counts, memory, start = psutil.Process(server.pid), collections.Counter(), [], time.monotonic()
            kinds = collections.defaultdict(collections.Counter)
            with concurrent.futures.ThreadPoolExecutor(chosen.clients) as clients:
                tasks = [clients.submit(one, found[1], n, made, chosen.seed) for n in range(chosen.clips)]
                for number, task in enumerate(concurrent.futures.as_completed(tasks), 1):
                    kind, outcome = task.result()
                    counts[outcome] += 1
                    kinds[kind][outcome] += 1
                    if number % max(1, chosen.clips // TENTHS) == 0:
                        memory.append(process.memory_info().rss / 1e6)
            seconds, deadline = time.monotonic() - start, time.monotonic() + 30
            left = [str(path) for path in temporary.rglob("*") if path.is_file()]
            while left and time.monotonic() < deadline:
                time.sleep(1)
                left = [str(path) for path in temporary.rglob("*") if path.is_file()]
            words = log.read_text()  # Gradio prints a traceback where a path is not an upload's
            failed_here = words.count("Traceback") - words.count("gradio.exceptions.InvalidPathError")
            if failed_here:
                print(words, file=sys.stderr)
        finally:
            server.terminate()
            server.wait(60)
        after = [path.name for path in temporary.iterdir()]
    warm = memory[WARM - 1]
    result = {
        "benchmark": "soak",
        "model": chosen.model or "pretrained",
        "clips": chosen.clips,
        "clients": chosen.clients,
        "seconds": round(seconds),
        **{name: counts[name] for name in ("answered", "refused", "broken off", "lost")},
        "kinds": kinds,
        "tracebacks": failed_here,
        "memory_MB": [round(size) for size in memory],
        "memory_change": round(memory[-1] / warm - 1, 3),
        "memory_peak_change": round(max(memory[WARM - 1 :]) / warm - 1, 3),
        "files_left": len(left),
        "left_after_the_end": after,
    }
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
