import csv
import os
import random
import signal
import subprocess
import sys
import time

import faulty_server
import pytest
from test_zip_members import actor, archive, unpacked

from helpers import runtime
from helpers.data import manifest
from helpers.data.download import DownloadError

FAST = {"pause": 0.01, "timeout": (5, 0.4), "progress": False}


def written(path, rows):
    with open(path, "w", newline="") as file:
        table = csv.DictWriter(file, manifest.COLUMNS)
        table.writeheader()
        table.writerows(rows)
    return path


def command(*words, **options):
    environment = {**os.environ, "PYTHONPATH": str(runtime.PROJECT)}
    words = [sys.executable, "-m", "helpers.data", *map(str, words)]
    return subprocess.run(words, env=environment, capture_output=True, text=True, **options)


@pytest.fixture
def server():
    files = {f"{name}.bin": random.Random(name).randbytes(50_000) for name in "abc"}
    with faulty_server.serving(files) as running:
        yield running


@pytest.fixture
def table(server, tmp_path):
    rows = [server.row(name, "letters") for name in server.files]
    return written(tmp_path / "some.csv", rows)


def same(server, folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()} == server.files


def test_the_suites_own_manifest_names_every_file_with_its_terms():
    rows = manifest.read(runtime.PROJECT / "data_manifest.csv")
    video = manifest.select(rows, "ravdess-speech")
    assert len(video) == 24 and sum(row.bytes for row in video) == pytest.approx(12.44 * 2**30, rel=0.01)
    assert all(row.licence and (row.url.startswith("https://") or "https://" in row.licence) for row in rows)
    known = {row.dataset for row in rows}
    assert known == {"ravdess-speech", "ravdess-speech-audio", "ravdess-song", "vgg16", "fer2013", "jaffe"}


def test_fetch_and_verify_from_the_command_line(server, table, tmp_path):
    dest = tmp_path / "here"
    assert command("verify", "--manifest", table, "--dest", dest).returncode == 1
    done = command("fetch", "--manifest", table, "--dest", dest, "--only", "a.bin")
    assert done.returncode == 0 and [path.name for path in dest.iterdir()] == ["a.bin"]
    done = command("fetch", "--manifest", table, "--dest", dest)
    assert done.returncode == 0 and same(server, dest)
    assert [name for name, _ in server.log] == ["a.bin", "b.bin", "c.bin"], "what is there is not fetched again"
    assert command("verify", "--manifest", table, "--dest", dest).stdout == "3 of 3 as they should be\n"


def test_verify_names_missing_and_wrong_files_apart(server, table, tmp_path):
    command("fetch", "--manifest", table, "--dest", tmp_path / "here")
    (tmp_path / "here" / "a.bin").unlink()
    (tmp_path / "here" / "b.bin").write_bytes(b"short")
    (tmp_path / "here" / "c.bin").write_bytes(bytes(50_000))
    done = command("verify", "--manifest", table, "--dest", tmp_path / "here")
    assert done.returncode == 1
    missing, short, other, count = done.stdout.splitlines()
    assert missing == "missing: a.bin" and short == "wrong: b.bin: 5 bytes instead of 50,000"
    assert other.startswith("wrong: c.bin: MD5 ") and count == "0 of 3 as they should be"
    assert command("fetch", "--manifest", table, "--dest", tmp_path / "here").returncode == 0
    assert same(server, tmp_path / "here")


def test_what_cannot_be_checked_is_reported(server, tmp_path):
    table = written(tmp_path / "some.csv", [server.row("a.bin", bytes="", md5="")])
    assert command("fetch", "--manifest", table, "--dest", tmp_path / "here").returncode == 0
    done = command("verify", "--manifest", table, "--dest", tmp_path / "here")
    assert done.returncode == 0 and "no md5 is known for a.bin" in done.stdout


def test_one_file_that_fails_does_not_keep_the_others_from_coming(server, table, tmp_path):
    server.faults["a.bin"] = [("html",)]
    done = command("fetch", "--manifest", table, "--dest", tmp_path / "here")
    assert done.returncode == 1 and "a.bin: a web page came" in done.stderr and "Traceback" not in done.stderr
    assert (tmp_path / "here" / "b.bin").exists() and (tmp_path / "here" / "c.bin").exists()


def test_a_corrupted_byte_is_fetched_once_more_and_then_refused(server, tmp_path):
    rows = manifest.read(written(tmp_path / "some.csv", [server.row("a.bin")]))
    server.faults["a.bin"] = [("corrupt", 7)]
    manifest.fetch(rows, tmp_path / "here", **FAST)
    assert (tmp_path / "here" / "a.bin").read_bytes() == server.files["a.bin"]
    server.faults["a.bin"] = [("corrupt", 7)] * 2
    with pytest.raises(DownloadError, match=r"a\.bin: MD5 \w+ instead of \w+; the server's file is not the one"):
        manifest.fetch(rows, tmp_path / "there", **FAST)
    assert not (tmp_path / "there" / "a.bin").exists()


def test_a_disk_too_small_is_reported_before_anything_comes(server, table, tmp_path, monkeypatch):
    monkeypatch.setattr(manifest.zip_members.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 120_000}))
    with pytest.raises(DownloadError, match="make room or choose another folder; nothing was fetched"):
        manifest.fetch(manifest.read(table), tmp_path / "here", **FAST)
    assert not server.log


def test_a_row_without_address_says_where_to_ask(tmp_path):
    rows = manifest.select(manifest.read(runtime.PROJECT / "data_manifest.csv"), "jaffe")
    with pytest.raises(
        DownloadError, match=r"jaffe\.zip: cannot be fetched without you \(.*zenodo\.org/records/3451524"
    ):
        manifest.fetch(rows, tmp_path, **FAST)


@pytest.mark.parametrize(
    "header, line, words",
    [
        ("dataset,file,url,bytes,licence", "x,a,http://h/a,1,free", "no column md5"),
        ("dataset,file,url,bytes,md5,licence,md5", "x,a,http://h/a,1,,free,", "more than one column md5"),
        (",".join(manifest.COLUMNS), "x,a,http://h/a,many,,free", "line 2: bytes is 'many'"),
        (",".join(manifest.COLUMNS), "x,a,http://h/a," + "1" * 5000 + ",,free", r"bad\.csv, line 2: bytes is '1{40}';"),
        (",".join(manifest.COLUMNS), "x,a,http://h/a," + "1" * 16 + ",,free", r"bad\.csv, line 2: bytes is '1{16}';"),
        (",".join(manifest.COLUMNS), "x,a,http://h/a,1,beef,free", "line 2: md5 is 'beef'"),
        (
            ",".join(manifest.COLUMNS),
            'x,a,,1,,free\n"x,b,,1,,free\nx,c,,1,,free\nx",d,,1,,free',
            r"bad\.csv, lines 3 to 5: a quote joins them",
        ),
        (
            ",".join(manifest.COLUMNS),
            'x,a,http://h/a,1,,"free\rx,b,,1,,"',
            r"bad\.csv, lines 2 to 3: a quote joins them",
        ),
        (",".join(manifest.COLUMNS), "x,../a,http://h/a,1,,free", "line 2: file is '../a'"),
        (",".join(manifest.COLUMNS), "x,/a,http://h/a,1,,free", "line 2: file is '/a'"),
        (",".join(manifest.COLUMNS), "x,//a,http://h/a,1,,free", "line 2: file is '//a'"),
        (",".join(manifest.COLUMNS), "x,\\\\h\\a,http://h/a,1,,free", r"line 2: file is '\\+h\\+a'"),
        (",".join(manifest.COLUMNS), "x,nul.zip,http://h/a,1,,free", "line 2: file is 'nul.zip'"),
        (
            ",".join(manifest.COLUMNS),
            "x,a,http://h/a,1,,free\nx,A,http://h/b,1,,free",
            "line 3: file 'A' is named a sec",
        ),
    ],
    ids=lambda text: text[:60],
)
def test_a_manifest_that_cannot_be_read_says_where(header, line, words, tmp_path):
    (tmp_path / "bad.csv").write_text(f"{header}\n{line}\n")
    with pytest.raises(ValueError, match=words):
        manifest.read(tmp_path / "bad.csv")


@pytest.mark.parametrize("mode", ["whole", "members"])
def test_a_rows_name_never_leads_out_of_the_folder(mode, server, tmp_path):
    precious = tmp_path / "precious.bin"
    precious.write_bytes(b"mine")
    row = manifest.Row("x", f"/{precious}", server.url("a.bin"), None, "", "free")
    with pytest.raises(DownloadError, match="would land outside"):
        if mode == "whole":
            manifest.fetch([row], tmp_path / "here", **FAST)
        else:
            manifest.members(row, tmp_path / "here", "*", **FAST)
    assert precious.read_bytes() == b"mine" and not server.log


def test_members_of_an_archive_in_a_subfolder_of_the_manifest_are_fetched_without_range_too(tmp_path):
    with faulty_server.serving({"a.zip": archive(actor(1))}, ranges=False) as server:
        row = manifest.read(written(tmp_path / "some.csv", [server.row("a.zip", file="sub/a.zip")]))[0]
        assert len(manifest.members(row, tmp_path / "here", "*/01-01-*", **FAST)) == 6
        wrong = row._replace(md5="0" * 32)
        with pytest.raises(DownloadError, match=r"MD5 \w+ instead of 0000"):
            manifest.members(wrong, tmp_path / "there", "*/01-01-*", **FAST)
    assert len(unpacked(tmp_path / "here")) == 6 and not unpacked(tmp_path / "there")


def test_a_list_whose_reader_has_seen_enough_ends_without_a_traceback():
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "helpers.data", "list"]
    found = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, cwd=runtime.PROJECT)
    os.close(write)
    assert (found.returncode, found.stderr) == (1, b"")


def test_an_unknown_name_lists_what_there_is(table):
    done = command("list", "--manifest", table, "--only", "digits")
    assert done.returncode == 1 and "nothing in the manifest is called 'digits'; data sets: letters" in done.stderr
    assert "a.bin" in command("list", "--manifest", table).stdout


def test_24_archives_of_which_half_is_wanted_move_less_than_55_percent(tmp_path):
    files = {f"Video_Speech_Actor_{n:02}.zip": archive(actor(n)) for n in range(1, 25)}
    with faulty_server.serving(files) as server:
        table = written(tmp_path / "some.csv", [server.row(name) for name in files])
        words = ("--manifest", table, "--dest", tmp_path / "clips", "--members", "*/01-01-*")
        done = command("fetch", *words)
        assert done.returncode == 0, done.stderr
        share = server.sent / sum(map(len, files.values()))
    expected = {name: data for n in range(1, 25) for name, data in actor(n).items() if "/01-01-" in name}
    assert unpacked(tmp_path / "clips") == expected
    print(f"share of the bytes moved: {share:.3f}")
    assert share <= 0.55


@pytest.mark.parametrize("members", [True, False], ids=["members", "whole"])
def test_killed_ten_times_it_goes_on_and_no_whole_range_comes_twice(members, tmp_path):
    """The slow server needs about four seconds in all; each process is killed a little after its first new byte."""
    rng = random.Random(1)
    files = {f"Video_Speech_Actor_{n:02}.zip": archive(actor(n, size=40_000)) for n in (1, 2)}
    with faulty_server.serving(files, rate=150_000) as server:
        table = written(tmp_path / "some.csv", [server.row(name) for name in files])
        words = ["fetch", "--manifest", table, "--dest", tmp_path / "here"]
        words += ["--members", "*/01-01-*"] if members else []
        arguments = [sys.executable, "-m", "helpers.data", *map(str, words)]
        kills = 0
        while kills < 10:
            before = server.sent
            process = subprocess.Popen(
                arguments, cwd=runtime.PROJECT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
            )
            while server.sent == before and process.poll() is None:
                time.sleep(0.005)
            time.sleep(rng.uniform(0, 0.25))
            assert process.poll() is None, f"done before the tenth kill: {kills}"
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
        assert command(*words).returncode == 0
        least = len(b"".join(files.values()))
        sent = server.sent
    if members:
        assert unpacked(tmp_path / "here") == {
            name: data for n in (1, 2) for name, data in actor(n, size=40_000).items() if "/01-01-" in name
        }
    else:
        assert {path.name: path.read_bytes() for path in (tmp_path / "here").glob("*.zip")} == files
    # What a killed process had not yet taken from the line is all that is sent again: a few kB a kill at this rate.
    assert sent < (0.55 if members else 1) * least + kills * 8192
