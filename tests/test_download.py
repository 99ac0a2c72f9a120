import os
import random

import faulty_server
import pytest

from helpers.download import DownloadError, NoRangeError, RemoteFile

DATA = random.Random(0).randbytes(300_000)
FAST = {"pause": 0.01, "timeout": (5, 0.4)}


@pytest.fixture
def server():
    with faulty_server.serving({"a.bin": DATA}) as running:
        yield running


def remote(server, folder, name="a.bin", **options):
    return RemoteFile(server.url(name), folder / "pieces", **{**FAST, "name": name, **options})


def test_what_is_read_is_fetched_and_only_once(server, tmp_path):
    with remote(server, tmp_path, size=len(DATA)) as file:
        for start, stop in ((1000, 5000), (3000, 9000), (0, 100), (1000, 9000)):
            file.seek(start)
            assert file.read(stop - start) == DATA[start:stop]
    assert server.sent == 8000 + 100


def test_the_whole_file_is_put_in_place_after_parts_of_it(server, tmp_path):
    with remote(server, tmp_path) as file:
        file.ensure_tail(1000)
        file.ensure(50_000, 60_000)
        file.save(tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == DATA and server.sent == len(DATA)


@pytest.mark.parametrize(
    "fault",
    [
        ("cut", 0),
        ("cut", 123_456),
        ("stall", 1),
        ("status", 403, {}),
        ("status", 429, {"Retry-After": "0"}),
        ("status", 503, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}),
    ],
    ids=str,
)
def test_a_passing_fault_is_got_over_without_fetching_twice(fault, server, tmp_path):
    server.faults["a.bin"] = [fault, None, fault]
    with remote(server, tmp_path, size=len(DATA)) as file:
        file.save(tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == DATA
    assert server.sent == len(DATA)


def test_without_range_the_whole_file_comes_and_a_part_is_refused(server, tmp_path):
    server.ranges = False
    server.faults["a.bin"] = [None, ("cut", 100_000)]
    with remote(server, tmp_path) as file:
        with pytest.raises(NoRangeError, match=r"a\.bin: the server sends whole files only"):
            file.ensure(100, 200)
        file.save(tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == DATA


def test_a_server_that_loses_range_half_way_is_started_over(server, tmp_path):
    with remote(server, tmp_path) as file:
        file.ensure_tail(10)
        file.ensure(0, 1000)
        server.ranges = False
        file.save(tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == DATA


def test_a_file_that_changed_on_the_server_is_not_patched_together(server, tmp_path):
    new = DATA[::-1]
    with remote(server, tmp_path) as file:
        file.ensure_tail(10)
        file.ensure(0, 1000)
        server.files["a.bin"] = new
        file.save(tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == new


@pytest.mark.parametrize(
    "fault, words",
    [
        (("html",), r"a\.bin: a web page came instead of the file \('Please sign in'\)"),
        (("status", 404, {}), r"a\.bin: the server answered 404 Not Found\. Is the address right"),
        (("status", 429, {"Retry-After": "3600"}), r"asks to wait 3600 s: run the same again later"),
        (
            ("status", 500, {}),
            r"500 Internal Server Error; 6 tries in a row brought nothing new\. What has come is kept",
        ),
        (
            ("status", 302, {"Location": "http://elsewhere.invalid/x"}),
            r"leads to elsewhere\.invalid, which the manifest",
        ),
        (("status", 302, {"Location": "file:///etc/passwd"}), r"leads to file:///etc/passwd"),
    ],
    ids=str,
)
def test_a_lasting_fault_is_said_with_the_files_name(fault, words, server, tmp_path):
    server.faults["a.bin"] = [fault] * 10
    with remote(server, tmp_path) as file, pytest.raises(DownloadError, match=words):
        file.save(tmp_path / "a.bin")
    assert not (tmp_path / "a.bin").exists()


def test_a_page_of_html_without_its_type_is_seen_too(server, tmp_path):
    server.files["a.bin"] = b"\n<html><title>Busy</title></html>" + DATA[:100]
    with remote(server, tmp_path) as file, pytest.raises(DownloadError, match="web page came instead"):
        file.save(tmp_path / "a.bin")


def test_a_file_of_another_size_is_refused_before_it_comes(server, tmp_path):
    with (
        remote(server, tmp_path, size=5) as file,
        pytest.raises(DownloadError, match="300,000 bytes, the manifest says 5"),
    ):
        file.save(tmp_path / "a.bin")
    assert server.sent <= len(DATA)


def test_a_redirect_within_the_named_hosts_is_followed(server, tmp_path):
    server.faults["a.bin"] = [("status", 301, {"Location": "/files/a.bin"})]
    with remote(server, tmp_path) as file:
        file.save(tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == DATA


def test_no_connection_at_all_is_said_in_words(tmp_path):
    file = RemoteFile("http://127.0.0.1:9/a.bin", tmp_path / "pieces", **FAST)
    with file, pytest.raises(DownloadError, match=r"a\.bin: no connection"):
        file.save(tmp_path / "a.bin")


def test_two_processes_do_not_fetch_into_one_folder(server, tmp_path):
    with remote(server, tmp_path), pytest.raises(DownloadError, match="another process is fetching it"):
        remote(server, tmp_path)


def test_progress_counts_every_byte(server, tmp_path):
    counts = []
    server.faults["a.bin"] = [("cut", 1000)]
    with remote(server, tmp_path, tell=counts.append) as file:
        file.save(tmp_path / "a.bin")
    assert sum(counts) == len(DATA) and os.listdir(tmp_path / "pieces") == ["lock"]
