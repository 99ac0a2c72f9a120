import concurrent.futures
import io
import json
import re
import shutil
import time
import zipfile

import faulty_server
import numpy as np
import pytest
import requests

from helpers.data import content, mirror
from helpers.data.download import DownloadError
from helpers.features import building
from helpers.features import cache as caches

DRIVE_ID = "1AbCdEfGhIjKlMnOpQrStUvWxYz012345"
# What Drive answers, in short, where too many have fetched a file (its "quota" page).
QUOTA = b"""<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title></head><body>
<p class="uc-error-caption">Sorry, you can't view or download this file at this time.</p>
<p class="uc-error-subcaption">Too many users have viewed or downloaded this file recently. Please try again later.</p>
</body></html>"""


@pytest.fixture(scope="module")
def small(table, tmp_path_factory):
    """A cache of three clips' sound, and their features."""
    cache = tmp_path_factory.mktemp("small")
    return cache, building.build(table.head(3), cache, streams=("audio",), progress=False)


def entries(folder):
    """The entries: what lies in the cache's folders."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.glob("*/**/*") if p.is_file()}


def test_a_packed_cache_restores_to_the_same_features_without_a_clip(small, table, tmp_path):
    cache, built = small
    row = mirror.pack(cache, tmp_path)
    assert row.file == "emotion-cache.zip" and row.md5 == content.md5(tmp_path / row.file)
    said = []
    assert mirror.restore(tmp_path, tmp_path / "new", row.md5, said.append) == 4 and "4 new entries" in said[0]
    assert entries(tmp_path / "new") == entries(cache)
    again = building.build(table.head(3), tmp_path / "new", streams=("audio",), progress=False)
    assert again.fingerprint() == built.fingerprint()


def test_packing_twice_gives_the_same_bytes(small, tmp_path):
    assert mirror.pack(small[0], tmp_path / "a.zip").md5 == mirror.pack(small[0], tmp_path / "b.zip").md5


def test_a_clip_whose_name_windows_cannot_write_is_left_out_by_name_and_the_others_are_packed(small, tmp_path):
    cache = tmp_path / "cache"
    shutil.copytree(small[0], cache)
    folder = next(cache.glob("mfcc-*"))
    (folder / "con.npy").write_bytes(b"x")
    with pytest.warns(UserWarning, match=r"1 left out, mfcc-\w+/con.npy first: rename the clip"):
        mirror.pack(cache, tmp_path / "a.zip")
    said = []
    assert mirror.restore(tmp_path / "a.zip", tmp_path / "new", tell=said.append) == 4, said
    assert entries(tmp_path / "new") == entries(small[0])


def test_entries_that_are_there_are_kept(small, tmp_path):
    mirror.pack(small[0], tmp_path / "a.zip")
    assert mirror.restore(tmp_path / "a.zip", small[0], tell=print) == 0


MINE, THEIRS = "a.000000000000", "b.000000000001"


def test_what_a_mirror_notes_of_deleted_files_is_added_to_what_the_cache_notes(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("seen/Actor_01.json", json.dumps({"a.wav": THEIRS, "b.wav": THEIRS}))
    for _ in range(2):
        content.note(tmp_path / "cache" / "seen" / "Actor_01.json", {"a.wav": MINE, "a.mp4": MINE})
        mirror.unpack(tmp_path / "a.zip", tmp_path / "cache")
    notes = content.notes(tmp_path / "cache" / "seen" / "Actor_01.json")
    assert notes == {"a.wav": MINE, "a.mp4": MINE, "b.wav": THEIRS}


@pytest.mark.parametrize(
    "noted",
    [{"a.wav": "../../x"}, {"a.wav": "/x.000000000000"}, {"a.wav": 7}, {"a.wav": "x" * 300}, ["a.wav"], 7, "[" * 9999],
    ids=lambda noted: str(noted)[:20],
)
def test_what_a_mirror_notes_cannot_lead_out_of_the_cache(noted, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("seen/Actor_01.json", noted if isinstance(noted, str) else json.dumps(noted))
    mirror.unpack(tmp_path / "a.zip", tmp_path / "cache")
    assert content.notes(tmp_path / "cache" / "seen" / "Actor_01.json") == {}
    (tmp_path / "cache" / "seen").mkdir(exist_ok=True)
    (tmp_path / "cache" / "seen" / "Actor_01.json").write_text(json.dumps(noted))
    assert caches.key_of(tmp_path / "cache", "Actor_01/a.wav") is None


def test_a_damaged_member_is_named_and_the_others_come(small, tmp_path):
    mirror.pack(small[0], tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        last = archive.infolist()[-1]
    content_of = bytearray((tmp_path / "a.zip").read_bytes())
    content_of[last.header_offset + 30 + len(last.filename) + 5] ^= 255
    (tmp_path / "a.zip").write_bytes(content_of)
    said = []
    count = mirror.restore(tmp_path / "a.zip", tmp_path / "cache", tell=said.append)
    assert count == len(entries(small[0])) - 1 == len(entries(tmp_path / "cache"))
    assert f"1 are damaged and left out, {last.filename} first" in said[0]


@pytest.mark.parametrize("note", ["[]", "{", "7", '{"entries": 7}'])
def test_a_damaged_note_of_what_was_restored_is_passed_over(note, small, tmp_path):
    mirror.pack(small[0], tmp_path / "a.zip")
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "mirror.json").write_text(note)
    assert mirror.restore(tmp_path / "a.zip", tmp_path / "cache", tell=lambda line: None) == 4


@pytest.mark.parametrize(
    "name", ["../evil.npy", "/mfcc-00000000/a.npy", "mfcc-1cd5596f/../../a.npy", "mfcc-1cd5596f/a.pkl"]
)
def test_a_mirror_with_anything_else_in_it_is_refused_whole(name, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("mfcc-1cd5596f/good.npy", b"1")
        archive.writestr(name, b"2")
    with pytest.raises(DownloadError, match="belongs in no cache; nothing was unpacked"):
        mirror.unpack(tmp_path / "a.zip", tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def with_member(data=b"1" * 5000, name="mfcc-1cd5596f/a.npy", compression=zipfile.ZIP_STORED, spoil=()):
    """An archive of one member: bytes. `spoil` lists (place counted from `after`, what to flip)."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        archive.writestr(name, data)
    spoilt = bytearray(out.getvalue())
    for after, place, bits in spoil:
        spoilt[spoilt.index(after) + place] ^= bits
    return bytes(spoilt)


NOISE = np.random.default_rng(0).bytes(5000)
CANNOT_BE_USED = {
    "encrypted": with_member(spoil=[(b"PK\3\4", 6, 1), (b"PK\1\2", 8, 1)]),
    "strongly encrypted": with_member(spoil=[(b"PK\3\4", 6, 65), (b"PK\1\2", 8, 65)]),
    "a name for Windows' devices": with_member(name="mfcc-1cd5596f/CON.npy"),
    "a note with a device's name": with_member(b"{}", name="seen/nul.json"),
    "a device's name in small letters": with_member(name="mfcc-1cd5596f/aux.npy"),
    "a name with a control character": with_member(name="mfcc-1cd5596f/a\x1b.npy"),
    "a name that is too long": with_member(name=f"mfcc-1cd5596f/{'a' * 300}.npy"),
    "a name in no encoding": with_member(name="mfcc-1cd5596f/é.npy").replace("é".encode(), b"\xff\xfe"),
    "damaged LZMA": with_member(
        NOISE, compression=zipfile.ZIP_LZMA, spoil=[(b"PK\3\4", n, 255) for n in range(60, 90)]
    ),
    "damaged BZ2": with_member(
        NOISE, compression=zipfile.ZIP_BZIP2, spoil=[(b"PK\3\4", n, 255) for n in range(60, 90)]
    ),
    "damaged deflate": with_member(compression=zipfile.ZIP_DEFLATED, spoil=[(b"PK\3\4", 55, 255)]),
    "unknown compression": with_member(spoil=[(b"PK\3\4", 8, 77), (b"PK\1\2", 10, 77)]),
}


@pytest.mark.parametrize("kind", CANNOT_BE_USED)
def test_an_archive_that_cannot_be_unpacked_is_reported_and_stops_nothing(kind, tmp_path):
    (tmp_path / "a.zip").write_bytes(CANNOT_BE_USED[kind])
    said = []
    assert mirror.restore(tmp_path / "a.zip", tmp_path / "cache", tell=said.append) == 0
    assert len(said) == 1 and entries(tmp_path / "cache") == {}
    assert "cannot be used" in said[0] or "1 are damaged and left out" in said[0]


def test_a_cache_that_cannot_be_written_is_reported_and_stops_nothing(small, tmp_path):
    mirror.pack(small[0], tmp_path / "a.zip")
    (tmp_path / "file").touch()
    said = []
    assert mirror.restore(tmp_path / "a.zip", tmp_path / "file" / "cache", tell=said.append) == 0
    assert len(said) == 1 and "cannot be used" in said[0]


def test_three_restores_at_once_succeed_and_one_does_the_work(small, tmp_path, monkeypatch):
    mirror.pack(small[0], tmp_path / "a.zip")
    slowly = mirror.unpack
    monkeypatch.setattr(mirror, "unpack", lambda *arguments: (time.sleep(0.2), slowly(*arguments))[1])
    said = []
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        options = (tmp_path / "a.zip", tmp_path / "cache", "", said.append)
        counts = [job.result() for job in [pool.submit(mirror.restore, *options) for _ in range(3)]]
    assert sorted(counts) == [0, 0, 4] and not [line for line in said if "cannot be used" in line]
    assert entries(tmp_path / "cache") == entries(small[0])


def test_nothing_in_a_mirror_is_unpickled(small, table, tmp_path):
    """An entry that holds a pickled object is damaged and made again, not an execution."""
    cache, _ = small
    name = next(name for name in entries(cache) if name.endswith(".npz"))
    out = io.BytesIO()
    np.save(out, np.array([{"run": "this"}], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(name, out.getvalue())
    mirror.unpack(tmp_path / "a.zip", tmp_path / "cache")
    with pytest.raises(caches.DamagedEntry, match=r"Object arrays cannot be loaded|Python objects in dtype"):
        caches.load(tmp_path / "cache" / name)


@pytest.mark.parametrize(
    "spoil, words",
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-100]), "not a zip file"),
        (lambda path: path.write_bytes(path.read_bytes().replace(b"PK\x05\x06", b"PK\x05\x07")), "not a zip file"),
        (lambda path: path.unlink(), "no such file or folder"),
    ],
)
def test_a_mirror_that_cannot_be_used_is_reported_and_stops_nothing(spoil, words, small, tmp_path):
    mirror.pack(small[0], tmp_path / "a.zip")
    spoil(tmp_path / "a.zip")
    said = []
    assert mirror.restore(tmp_path / "a.zip", tmp_path / "cache", tell=said.append) == 0
    assert words in said[0] and "The features are made from the clips instead" in said[0]


def test_another_md5_is_refused(small, tmp_path):
    mirror.pack(small[0], tmp_path / "a.zip")
    said = []
    assert mirror.restore(tmp_path / "a.zip", tmp_path / "cache", "0" * 32, said.append) == 0
    assert f"not {'0' * 32}" in said[0] and entries(tmp_path / "cache") == {}


class Detour(requests.adapters.HTTPAdapter):
    """Sends what goes to Google Drive to a server of ours."""

    def __init__(self, server):
        super().__init__()
        self.port = server.server_address[1]

    def send(self, request, **options):
        request.url = re.sub(r"https://[^/]+", f"http://127.0.0.1:{self.port}", request.url)
        return super().send(request, **options)


@pytest.fixture
def drive(small, monkeypatch, tmp_path):
    mirror.pack(small[0], tmp_path / "packed.zip")
    packed = (tmp_path / "packed.zip").read_bytes()
    with faulty_server.serving({"uc": packed}) as server:
        monkeypatch.setattr(requests.Session, "get_adapter", lambda session, url: Detour(server))
        server.headers = {
            "uc": {
                "Content-Type": "application/octet-stream",
                "Content-Disposition": 'attachment; filename="emotion-cache.zip"',
            }
        }
        yield server


@pytest.mark.parametrize("where", [DRIVE_ID, f"https://drive.google.com/file/d/{DRIVE_ID}/view?usp=sharing"])
def test_a_mirror_on_drive_is_fetched_with_gdown(where, drive, small, tmp_path):
    said = []
    assert mirror.restore(where, tmp_path / "cache", tell=said.append) == 4, said
    assert entries(tmp_path / "cache") == entries(small[0])


def test_drives_quota_page_is_reported_and_the_clips_are_used_instead(drive, small, table, tmp_path):
    drive.files["uc"], drive.headers = QUOTA, {"uc": {"Content-Type": "text/html"}}
    said = []
    assert mirror.restore(DRIVE_ID, tmp_path / "cache", tell=said.append) == 0
    assert "Too many users have viewed or downloaded this file recently" in said[0] and "from the clips" in said[0]
    built = building.build(table.head(3), tmp_path / "cache", streams=("audio",), progress=False)
    assert built.fingerprint() == small[1].fingerprint()


def test_a_mirror_is_fetched_once_while_its_entries_are_there(drive, small, tmp_path):
    cache, said = tmp_path / "cache", []
    assert mirror.restore(DRIVE_ID, cache, tell=said.append) == 4
    requests_of_one = len(drive.log)
    assert mirror.restore(DRIVE_ID, cache, tell=said.append) == 0 and "all its entries are here" in said[-1]
    assert len(drive.log) == requests_of_one
    next(cache.rglob("*.npz")).unlink()
    assert mirror.restore(DRIVE_ID, cache, tell=said.append) == 1
    assert entries(cache) == entries(small[0])
    fetched = len(drive.log)
    assert mirror.restore(DRIVE_ID, cache, "0" * 32, said.append) == 0 and "not 000" in said[-1]
    assert len(drive.log) > fetched, "another MD5 is another mirror"


def test_a_file_that_was_packed_anew_is_restored_anew(small, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("mfcc-1cd5596f/first.npy", b"1")
    assert mirror.restore(tmp_path / "a.zip", tmp_path / "cache") == 1
    mirror.pack(small[0], tmp_path / "a.zip")
    assert mirror.restore(tmp_path / "a.zip", tmp_path / "cache") == 4
