"""Servers that fail in several ways one after another: the right bytes come, or an error names the file."""

import contextlib
import io
import random
import struct
import time
import zipfile
from unittest import mock

from helpers.data import download, manifest
from helpers.data.download import DownloadError
from tests import faulty_server

# The limits that a download has anyway, made small.
SMALL = {"TRIES": 4, "REQUESTS": 40, "LARGEST": 300_000, "GRACE": 0.15, "ANSWER": 0.6, "LONGEST_PAUSE": 0.1}
FAST = {"pause": 0.001, "timeout": (2, 0.25), "progress": False}
SECONDS, SENT = 20, 80 << 20  # of one case at most; what the sockets hold counts as sent
NAMES = ["a/01-01-1.mp4", "a/01-01-2.mp4", "a/02-01-1.mp4", "b.mp4", "Ärger/01-01-3.mp4"]
ODD_NAMES = [
    "../x",
    "/x",
    "a\\x",
    "nul.mp4",
    "a",
    "b.mp4/01-01-4.mp4",
    "a/" + "x" * 300,
    "B.MP4",
    "a/01-01-1.mp4",
    "x/" * 600,
]
ODD_NAMES += ["a/01-01-1.mp4/01-01-4.mp4", "a/.b.mp4", ".a.zip.partial/lock", "x" * 250]
RETRY_AFTER = ["0", "-1", "nan", "9" * 30, "soon", "0.02", "Wed, 21 Oct 2015 07:28:00 GMT", "3600"]
HEADERS = [
    {"Content-Encoding": "gzip"},
    {"Content-Length": "many"},
    {"Content-Length": "9" * 40},
    {"Content-Length": "7"},
    {"Content-Range": "bytes 0-5/6"},
    {"Content-Range": "bytes 0-5/*"},
    {"Content-Range": "nonsense"},
    {"Content-Type": "text/html"},
    {"Transfer-Encoding": "chunked"},
    {"ETag": ""},
]


class Changing(dict):
    """A server's files, of which each request may get another version."""

    def __init__(self, name, versions, rng, often):
        super().__init__({name: versions[0]})
        self.versions, self.rng, self.often = versions, rng, often

    def get(self, name):
        return self.rng.choice(self.versions) if name in self and self.rng.random() < self.often else super().get(name)


def fault(rng, size):
    """One fault of the server, or none."""
    place = rng.choice([0, 1, rng.randrange(size + 1), size])
    location = rng.choice(
        ["/files/x", "?download=1", "http://elsewhere.invalid/x", "file:///etc/passwd", "//", "http://[", ""]
    )
    return rng.choice(
        [
            None,
            ("cut", place),
            ("corrupt", place),
            ("shift", rng.choice([1, 7, -1, size])),
            ("headers", {"ETag": f'"{rng.random()}"'}),
            ("headers", rng.choice(HEADERS)),
            ("status", rng.choice([200, 204, 206, 304, 400, 403, 404, 416, 429, 500, 503]), {}),
            ("status", rng.choice([413, 429, 503]), {"Retry-After": rng.choice(RETRY_AFTER)}),
            ("status", rng.choice([301, 302, 307, 308, 300]), {"Location": location}),
            ("status", 302, {}),
            ("html",),
            ("stall", 0.3),
            ("silent", 0.3),
            ("endless", rng.choice([200, 206, 302, 404, 503]), rng.choice([{}, {}, *HEADERS])),
            (rng.choice(["drip", "continue", "head"]),),
        ]
    )


def members(rng):
    """An archive's members, one of them perhaps with a name that none should have: list of (name, bytes)."""
    names = rng.sample(NAMES, rng.randint(1, 5)) + rng.sample(ODD_NAMES, rng.choice([0, 0, 0, 1, 2]))
    return [(name, rng.choice([rng.randbytes, bytes])(rng.choice([0, 1, 5000, 30_000]))) for name in names]


def archive(rng, contents):
    """A zip archive, and whether it says the truth."""
    out, ways = io.BytesIO(), [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
    with zipfile.ZipFile(out, "w") as file:
        for name, data in contents:
            file.writestr(name, data, rng.choice(ways))
    data = bytearray(out.getvalue())
    kind = rng.choice(["true"] * 4 + ["entry"] * 3 + ["flips", "end", "cut", "before"])
    if kind == "entry":  # one field of a directory's entry: flags, way, CRC, sizes, lengths, place
        at = rng.choice([n for n in range(len(data)) if data[n : n + 4] == b"PK\1\2"])
        where, form = rng.choice(
            [(8, "H"), (10, "H"), (16, "I"), (20, "I"), (24, "I"), (28, "H"), (30, "H"), (42, "I")]
        )
        most = 256 ** struct.calcsize(form) - 1
        struct.pack_into("<" + form, data, at + where, rng.choice([0, 1, rng.randrange(len(data)), most]) & most)
    elif kind in ("flips", "end"):
        for _ in range(rng.randint(1, 5)):
            data[rng.randrange(len(data)) if kind == "flips" else -rng.randint(1, 22)] ^= 1 << rng.randrange(8)
    elif kind == "cut":
        del data[rng.randrange(1, len(data)) :]
    elif kind == "before":
        data[:0] = rng.randbytes(rng.randint(1, 500))
    return bytes(data), kind in ("true", "before")


@contextlib.contextmanager
def server(rng, name, versions, row):
    """The server, and the manifest's row on the file, in which some numbers may be wrong."""
    with faulty_server.serving({name: versions[0]}, ranges=rng.random() < 0.7) as running:
        changes = rng.choice(
            [{}, {}, {"bytes": ""}, {"md5": ""}, {"bytes": "", "md5": ""}, {"md5": "0" * 32}, {"bytes": "7"}]
        )
        row.append(running.row(name, **changes, file=rng.choice([name, f"sub/{name}"])))
        if len(versions) > 1:
            running.files = Changing(name, versions, rng, rng.choice([0.1, 1]))
        running.faults[name] = [fault(rng, len(versions[0])) for _ in range(rng.choice([1, 3, 8, 40]))]
        yield running


def case(seed, folder):
    rng, row, began = random.Random(seed), [], time.monotonic()
    packed = rng.random() < 0.5
    name, dest = "a.zip" if packed else "a.bin", folder / "in"
    if packed:
        contents = members(rng)
        versions, true = zip(*(archive(rng, contents) for _ in range(rng.choice([1, 1, 1, 2]))))
        known = {data for _, data in contents}
    else:
        size = rng.choice([1, 100, 5000, 60_000])
        versions = [rng.randbytes(size) for _ in range(rng.choice([1, 1, 1, 2]))]
        versions += [rng.randbytes(size + 9)] if rng.random() < 0.2 else []
        true, known = [True], set(versions)
    with server(rng, name, versions, row) as running:
        lies = any(each and each[0] in ("corrupt", "endless", "drip") for each in running.faults[name])
        row = manifest.Row(**row[0] | {"bytes": int(row[0]["bytes"]) if row[0]["bytes"] else None})
        with mock.patch.multiple(download, **SMALL):
            fetch(row, dest, packed, known, exact=row.md5 or not lies, **FAST)
        assert len(running.log) < 3 * SMALL["REQUESTS"], f"{len(running.log)} requests"
        assert running.sent < SENT, f"{running.sent:,} bytes"
        # From here on the server is honest. What came before must not stand in the way.
        running.faults[name], running.files = [], {name: versions[0]}
        if not fetch(row, dest, packed, known, exact=row.md5 or not lies, progress=False):
            wrong = row.bytes == 7 or row.md5 == "0" * 32
            odd = packed and {each for each, _ in contents} - set(NAMES)
            assert wrong or odd or not all(true), "an honest server's file is refused"
    assert time.monotonic() - began < SECONDS, f"{time.monotonic() - began:.1f} s"
    assert {path.name for path in folder.iterdir()} <= {"in"}


def fetch(row, dest, packed, known, exact, **options):
    """Fetches the row's file, or members of it. Returns the paths, [] where that is refused by name."""
    paths = []
    try:
        paths = manifest.members(row, dest, "*", **options) if packed else manifest.fetch([row], dest, **options)
        assert packed or len(paths) == 1
    except DownloadError as error:
        assert row.file in str(error) and len(str(error)) < 1000, error
    found = [path for path in dest.rglob("*") if path.is_file() and ".partial" not in str(path.relative_to(dest))]
    for path in found:
        assert not exact or path.read_bytes() in known, f"other bytes in {path.name}"
    assert set(paths) <= set(found) and (packed or set(found) == set(paths) or not paths)
    return paths


CASES = {"servers": case}
