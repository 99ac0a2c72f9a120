import io
import random
import struct
import zipfile

import faulty_server
import pytest

from helpers.data import zip_members
from helpers.data.download import DownloadError, RemoteFile

FAST = {"pause": 0.01, "timeout": (5, 0.4)}
WANTED = "*/01-01-*"


def archive(members, compression=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return out.getvalue()


def actor(number, takes=6, size=20_000):
    """An archive laid out as RAVDESS': the audio-video clips first, then the video-only ones."""
    rng = random.Random(number)
    names = [f"Actor_{number:02}/0{m}-01-01-01-01-{t:02}-{number:02}.mp4" for m in (1, 2) for t in range(1, takes + 1)]
    return {name: rng.randbytes(size) for name in names}


@pytest.fixture
def server():
    with faulty_server.serving({"a.zip": archive(actor(1))}) as running:
        yield running


def members(server, folder, pattern=WANTED, name="a.zip", **options):
    with RemoteFile(server.url(name), folder / f".{name}.partial", **{**FAST, "name": name, **options}) as remote:
        return zip_members.fetch_members(remote, folder, pattern)


def wanted(number=1):
    return {name: data for name, data in actor(number).items() if "/01-01-" in name}


def unpacked(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.mp4")}


def test_only_the_wanted_members_come_in_few_requests(server, tmp_path):
    paths = members(server, tmp_path)
    assert unpacked(tmp_path) == wanted() and len(paths) == 6
    assert server.sent < 0.55 * len(server.files["a.zip"])
    assert len(server.log) <= 3


def test_what_is_there_is_not_fetched_again_and_what_is_damaged_is(server, tmp_path):
    members(server, tmp_path)
    before = server.sent
    members(server, tmp_path)
    assert server.sent == before, "not even the directory"
    victim = sorted(tmp_path.rglob("*.mp4"))[2]
    victim.write_bytes(victim.read_bytes()[:-1] + b"?")
    members(server, tmp_path)
    assert unpacked(tmp_path) == wanted() and server.sent - before < 1.1 * 20_000 + 200


def test_nothing_but_the_directory_is_left_beside_the_members(server, tmp_path):
    members(server, tmp_path)
    left = sum(path.stat().st_size for path in tmp_path.glob(".a.zip.partial/*"))
    assert left < 0.1 * len(server.files["a.zip"])


@pytest.mark.parametrize("place", [1000, 60_000, -30], ids=["first member", "third member", "directory"])
def test_a_byte_that_the_line_corrupted_is_fetched_once_more(place, server, tmp_path):
    place %= len(server.files["a.zip"])
    server.faults["a.zip"] = [("corrupt", place)] * 2  # the directory's request, then the members'
    members(server, tmp_path)
    assert unpacked(tmp_path) == wanted()


def test_a_member_damaged_on_the_server_is_named_and_the_others_are_kept(server, tmp_path):
    data = bytearray(server.files["a.zip"])
    data[60_500] ^= 255
    server.files["a.zip"] = bytes(data)
    with pytest.raises(
        DownloadError, match=r"a\.zip: Bad CRC-32 for file 'Actor_01/01-01-01-01-01-0[34]-01\.mp4'.*twice"
    ):
        members(server, tmp_path)
    assert len(unpacked(tmp_path)) == len(wanted()) - 1


def test_without_range_the_whole_archive_comes_is_checked_and_deleted(server, tmp_path):
    server.ranges = False
    checked = []
    with RemoteFile(server.url("a.zip"), tmp_path / ".a.zip.partial", **FAST) as remote:
        zip_members.fetch_members(remote, tmp_path, WANTED, check=checked.append)
    assert unpacked(tmp_path) == wanted() and len(checked) == 1
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size > 30_000]


def test_what_is_no_archive_is_reported(server, tmp_path):
    server.files["a.zip"] = b"no zip at all" * 1000
    with pytest.raises(DownloadError, match=r"a\.zip: File is not a zip file"):
        members(server, tmp_path)


BAD_NAMES = ["../outside.mp4", "/etc/outside.mp4", "//outside.mp4", "///outside.mp4", "a/../../outside.mp4", "a//b.mp4"]
BAD_NAMES += ["..\\outside.mp4", "\\\\host\\outside.mp4", "a\\b.mp4", "C:/x.mp4", "C:x.mp4", "a/x.mp4:stream", "."]
BAD_NAMES += [
    "NUL",
    "a/con.mp4",
    "Com1",
    "lpt9.tar.gz",
    "aux /x.mp4",
    "a\nb.mp4",
    "a\x1b.mp4",
    "dot./x.mp4",
    "space /x",
    "x" * 201 + ".mp4",
    "Ä" * 101 + ".mp4",
    "x/" * 500 + "a.mp4",
    ".a.zip.partial/lock",
]


@pytest.mark.parametrize("ranges", [True, False], ids=["range", "whole"])
@pytest.mark.parametrize("name", BAD_NAMES, ids=lambda name: name[:20])
def test_no_member_escapes_its_folder(name, ranges, server, tmp_path):
    server.files["a.zip"], server.ranges = archive({"good.mp4": b"1", name: b"2"}), ranges
    folder = tmp_path / "in" / "here"
    with pytest.raises(DownloadError, match="would land outside"):
        members(server, folder, "*")
    assert not list(tmp_path.rglob("*.mp4")), "nothing is unpacked, not even the good one"


@pytest.mark.parametrize("ranges", [True, False], ids=["range", "whole"])
@pytest.mark.parametrize("start", ["/", "\\"])
def test_a_member_whose_name_begins_with_two_slashes_overwrites_nothing(start, ranges, server, tmp_path):
    precious = tmp_path / "precious.mp4"
    precious.write_bytes(b"mine")
    name = start + str(precious).replace("/", start)
    server.files["a.zip"], server.ranges = archive({name: b"theirs"}), ranges
    with pytest.raises(DownloadError, match="would land outside"):
        members(server, tmp_path / "in", "*")
    assert precious.read_bytes() == b"mine"


@pytest.mark.parametrize("names", [["a.mp4", "a.mp4/b.mp4"], ["a.mp4/b.mp4", "a.mp4"], ["a.mp4", "a.mp4/b/c.mp4"]])
def test_a_file_and_a_folder_of_one_name_are_reported(names, server, tmp_path):
    server.files["a.zip"] = archive({name: name.encode() for name in names})
    with pytest.raises(DownloadError, match=rf"a\.zip: for '{names[1]}' a file and a folder would have one name"):
        members(server, tmp_path, "*")
    assert [path.read_text() for path in tmp_path.rglob("*.mp4") if path.is_file()] == names[:1]


@pytest.mark.parametrize("name", ["link/x.mp4", "x.mp4"])
def test_a_link_inside_the_folder_leads_no_member_out_of_it(name, server, tmp_path):
    outside, folder = tmp_path / "outside", tmp_path / "in"
    outside.mkdir()
    folder.mkdir()
    (folder / "link").symlink_to(outside)
    (folder / "x.mp4").symlink_to(outside / "x.mp4")
    server.files["a.zip"] = archive({name: b"1"})
    with pytest.raises(DownloadError, match="would land outside"):
        members(server, folder, "*")
    assert not list(outside.iterdir())


@pytest.mark.parametrize(
    "name", ["Actor_01/01-01-01.mp4", "console/nullify.com1.txt", "a..b/.c", "Ärger/コン.wav", "a/"]
)
def test_ordinary_names_are_paths_below_the_folder(name, tmp_path):
    assert zip_members.safe_path(tmp_path, name, "x") == tmp_path / name


def test_a_leftover_of_a_call_broken_off_is_checked_before_it_is_used(server, tmp_path):
    server.ranges = False
    with RemoteFile(server.url("a.zip"), tmp_path / ".a.zip.partial", **FAST) as remote:
        remote.whole()

    def check(path):
        raise DownloadError("not the one")

    leftover = RemoteFile(server.url("a.zip"), tmp_path / ".a.zip.partial", **FAST)
    with leftover as remote, pytest.raises(DownloadError, match="not the one"):
        zip_members.fetch_members(remote, tmp_path, WANTED, check)
    assert not unpacked(tmp_path) and leftover.partial.count() == 0 and len(server.log) == 1


def test_a_leftover_of_a_call_broken_off_is_unpacked_without_another_request(server, tmp_path):
    server.ranges = False
    with RemoteFile(server.url("a.zip"), tmp_path / ".a.zip.partial", **FAST) as remote:
        remote.whole()
    members(server, tmp_path)
    assert unpacked(tmp_path) == wanted() and len(server.log) == 1


def test_a_server_that_loses_range_between_directory_and_members_sends_the_whole_archive(server, tmp_path):
    members(server, tmp_path, "no such member")
    server.ranges = False
    members(server, tmp_path)
    assert unpacked(tmp_path) == wanted()


def tampered(data, edit):
    """An archive whose directory's entries went through `edit(number, offset) -> offset`."""
    data, at, number = bytearray(data), data.index(b"PK\1\2"), 0
    while data[at : at + 4] == b"PK\1\2":
        name, extra, comment = struct.unpack_from("<HHH", data, at + 28)
        offset = struct.unpack_from("<I", data, at + 42)[0]
        struct.pack_into("<I", data, at + 42, edit(number, offset))
        at, number = at + 46 + name + extra + comment, number + 1
    return bytes(data)


@pytest.mark.parametrize(
    "edit",
    [lambda n, offset: 40 + n, lambda n, offset: offset + 11, lambda n, offset: 2**31, lambda n, offset: 5],
    ids=["close together", "beside", "beyond the end", "one place"],
)
def test_a_directory_that_lies_costs_few_requests(edit, server, tmp_path):
    big = {f"Actor_01/01-01-{n}.mp4": random.Random(n).randbytes(400_000) for n in range(4)}
    server.files["a.zip"] = tampered(archive(big, zipfile.ZIP_STORED), edit)
    with pytest.raises(DownloadError, match=r"a\.zip: .*twice the same"):
        members(server, tmp_path)
    assert len(server.log) < 15 and not unpacked(tmp_path)


def test_a_member_whose_place_lies_close_before_the_next_is_not_read_block_by_block(server, tmp_path):
    """The first member's true header, and a second entry that claims to begin right behind it."""
    big = {f"Actor_01/01-01-{n}.mp4": random.Random(n).randbytes(400_000) for n in range(3)}
    server.files["a.zip"] = tampered(archive(big, zipfile.ZIP_STORED), lambda n, offset: offset if n != 1 else 60)
    with pytest.raises(DownloadError, match=r"a\.zip: .*twice the same"):
        members(server, tmp_path, "*-0.mp4")
    assert len(server.log) < 15


def encrypted(data):
    data = bytearray(data)
    data[6] |= 1
    data[data.index(b"PK\1\2") + 8] |= 1
    return bytes(data)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("spoil", ["encrypted", "damaged"])
def test_what_cannot_be_unpacked_is_reported_in_words(spoil, compression, server, tmp_path):
    data = bytearray(archive({"Actor_01/01-01-1.mp4": random.Random(1).randbytes(5000)}, compression))
    data[100:4000] = bytes(3900)
    server.files["a.zip"] = encrypted(data) if spoil == "encrypted" else bytes(data)
    with pytest.raises(DownloadError, match=r"a\.zip: .*twice the same"):
        members(server, tmp_path)
    assert not unpacked(tmp_path)


def test_a_full_disk_is_reported_before_the_start(server, tmp_path, monkeypatch):
    monkeypatch.setattr(zip_members.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 50_000}))
    with pytest.raises(DownloadError, match=r"a\.zip: needs 0\.00 GB and .* nothing was fetched"):
        members(server, tmp_path)
    assert server.sent < 20_000 and not unpacked(tmp_path)


def test_members_that_lie_scattered_come_too(server, tmp_path):
    names = sorted(actor(1), key=lambda name: name.split("-", 1)[1])  # 01 and 02 in turn
    server.files["a.zip"] = archive({name: actor(1)[name] for name in names})
    members(server, tmp_path)
    assert unpacked(tmp_path) == wanted() and server.sent < 0.55 * len(server.files["a.zip"])
