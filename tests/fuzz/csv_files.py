"""Lists of clips and manifests with something wrong in them: refused with the file and what is wrong, or read."""

import numpy as np

from helpers.data import manifest, own_clips

LINES = ["path,emotion,speaker", "a/001.wav,happy,anna", "b/002.wav,sad,ben", "c/003.wav,happy,cleo"]
ROWS = [",".join(manifest.COLUMNS), "one,a.zip,https://example.org/a.zip,12,," + "x", "one,b.zip,,,,on request"]
BITS = [
    '"',
    "'",
    ",",
    "\n",
    "\r",
    "\0",
    "\ufeff",
    "é",
    "\udcff",
    "../",
    "//",
    "\\\\",
    "C:",
    "nan",
    "1e400",
    ";",
    " " * 300,
]


def spoilt(rng, lines):
    text = "\n".join(lines) + "\n"
    for _ in range(rng.integers(1, 5)):
        at, bit = int(rng.integers(len(text))), BITS[rng.integers(len(BITS))]
        text = text[:at] + bit + text[at + int(rng.integers(3)) :]
    data = text.encode("utf-8", "surrogateescape")
    return data if rng.random() < 0.8 else data[: int(rng.integers(len(data)))]


def own(seed, folder):
    rng = np.random.default_rng(seed)
    for line in LINES[1:]:
        path = folder / line.split(",")[0]
        path.parent.mkdir()
        path.write_bytes(line.encode())
    (folder / "clips.csv").write_bytes(spoilt(rng, LINES))
    try:
        table = own_clips.index(folder / "clips.csv")
    except ValueError as error:
        assert "clips.csv" in str(error) and len(str(error)) < 2000, error
    else:
        assert len(table) + len(table.attrs["excluded"]) >= 1 and table.clip_id.is_unique
        assert all(str(path).startswith(str(folder)) for path in table.audio_path)


def served(seed, folder):
    rng = np.random.default_rng(seed)
    (folder / "manifest.csv").write_bytes(spoilt(rng, ROWS))
    try:
        rows = manifest.read(folder / "manifest.csv")
    except ValueError as error:
        assert "manifest.csv" in str(error) and len(str(error)) < 1000, error
    else:
        for row in rows:
            assert ".." not in row.file.split("/") and not row.file.startswith(("/", "\\")), row


CASES = {"lists of clips": own, "manifests": served}
