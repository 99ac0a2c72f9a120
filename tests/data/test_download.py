import os
import random
import re
import threading
import time

import faulty_server
import pytest
import requests

from helpers.data import download
from helpers.data.download import DownloadError, NoRangeError, RemoteFile

DATA = random.Random(0).randbytes(300_000)
FAST = {"pause": 0.01, "timeout": (5, 0.4)}


@pytest.fixture
def server():
    with faulty_server.serving({"a.bin": DATA}) as running:
        yield running


def remote(server, folder, name="a.bin", **options):
    return RemoteFile(server.url(name), folder / "partial", **{**FAST, "name": name, **options})


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
            r"leads to http://elsewhere\.invalid/x, which the manifest",
        ),
        (("status", 302, {"Location": "file:///etc/passwd"}), r"leads to file:///etc/passwd"),
        (("status", 302, {"Location": "http://["}), r"a\.bin: the address leads to 'http://\[', which is none"),
    ],
    ids=str,
)
def test_a_lasting_fault_is_reported_with_the_files_name(fault, words, server, tmp_path):
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


def test_no_connection_at_all_is_reported_in_words(tmp_path):
    file = RemoteFile("http://127.0.0.1:9/a.bin", tmp_path / "partial", **FAST)
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
    assert sum(counts) == len(DATA) and os.listdir(tmp_path / "partial") == ["lock"]


@pytest.mark.parametrize(
    "fault",
    [("status", 429, {"Retry-After": "30"}), ("stall", 30), ("silent", 30), ("drip",)],
    ids=lambda fault: fault[0],
)
def test_a_stop_ends_every_kind_of_waiting_within_a_second(fault, server, tmp_path):
    stop = threading.Event()
    server.faults["a.bin"] = [fault]
    timer = threading.Timer(0.5, stop.set)
    timer.start()
    began = time.monotonic()
    with (
        remote(server, tmp_path, stop=stop, timeout=(5, 8)) as file,
        pytest.raises(DownloadError, match=r"a\.bin: stopped; what has come is kept"),
    ):
        file.save(tmp_path / "a.bin")
    assert 0.4 < time.monotonic() - began < 1.5, "neither the call nor closing waits for the abandoned read"
    timer.join()


def test_what_came_before_a_stop_is_not_fetched_again(server, tmp_path):
    stop = threading.Event()
    with remote(server, tmp_path, stop=stop, tell=lambda count: stop.set()) as file, pytest.raises(DownloadError):
        file.save(tmp_path / "a.bin")
    with remote(server, tmp_path) as file:
        assert file.partial.count() > 0
        file.save(tmp_path / "a.bin")
        assert int(re.fullmatch(r"bytes=(\d+)-\d*", server.log[-1][1])[1]) > 0
    assert (tmp_path / "a.bin").read_bytes() == DATA


@pytest.mark.parametrize("size", [None, 200_000])
def test_a_body_without_end_is_left(size, server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "LARGEST", 500_000)
    server.faults["a.bin"] = [("endless",)] * 10
    with remote(server, tmp_path, size=size) as file:
        if size:  # all that was wanted has come
            file.save(tmp_path / "a.bin")
        else:
            with pytest.raises(DownloadError, match=r"a\.bin: more than 500,000 bytes and no end"):
                file.save(tmp_path / "a.bin")
    assert (tmp_path / "a.bin").exists() == bool(size)


def test_a_server_that_only_drips_is_given_up(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "GRACE", 0.2)
    server.faults["a.bin"] = [("drip",)] * 10
    with (
        remote(server, tmp_path) as file,
        pytest.raises(DownloadError, match="fewer than 1024 bytes a second; 6 tries"),
    ):
        file.save(tmp_path / "a.bin")


def test_a_server_that_resumes_at_another_place_is_not_believed(server, tmp_path):
    server.faults["a.bin"] = [("cut", 100_000), ("shift", 7), ("shift", 7)]
    with remote(server, tmp_path) as file:
        file.save(tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == DATA
    server.faults["a.bin"] = [("shift", 7)] * 10
    words = "sent bytes from 17 on instead of those from 10 on; 6 tries"
    with remote(server, tmp_path, size=len(DATA)) as file, pytest.raises(DownloadError, match=words):
        file.ensure(10, 5000)


def test_a_server_that_says_each_time_that_the_file_changed_is_given_up(server, tmp_path):
    server.faults["a.bin"] = [("headers", {"ETag": f'"{n}"'}) for n in range(100)]
    with (
        remote(server, tmp_path, size=len(DATA)) as file,
        pytest.raises(DownloadError, match="each time that it changed"),
    ):
        for place in range(0, 100_000, 1000):
            file.ensure(place, place + 10)
    assert len(server.log) < 20


def test_a_line_that_breaks_after_every_few_bytes_is_given_up(server, tmp_path):
    server.faults["a.bin"] = [("cut", 10)] * 300
    with remote(server, tmp_path) as file, pytest.raises(DownloadError, match="6 tries in a row"):
        file.save(tmp_path / "a.bin")


def test_requests_for_one_file_are_counted_and_end(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "REQUESTS", 20)
    with remote(server, tmp_path) as file, pytest.raises(DownloadError, match="20 requests did not bring it"):
        for place in range(0, len(DATA), 1000):
            file.ensure(place, place + 10)
    assert len(server.log) == 20


class Secure(requests.adapters.HTTPAdapter):
    """Serves https addresses from the test's server."""

    def send(self, request, **options):
        request.url = request.url.replace("https://", "http://")
        return super().send(request, **options)


def test_a_redirect_from_https_to_http_is_not_followed_even_on_one_host(server, tmp_path):
    address = server.url("a.bin")
    server.faults["a.bin"] = [("status", 302, {"Location": address})]
    with RemoteFile(address.replace("http:", "https:"), tmp_path / "partial", **FAST) as file:
        file.session.mount("https://", Secure())
        with pytest.raises(DownloadError, match=r"leads to http://127"):
            file.save(tmp_path / "a.bin")
    assert len(server.log) == 1


def test_a_pause_that_is_no_number_is_the_usual_one(server, tmp_path):
    server.faults["a.bin"] = [("status", 503, {"Retry-After": "soon"})]
    with remote(server, tmp_path) as file:
        file.save(tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == DATA


@pytest.mark.parametrize("fault", ["continue", "head"])
def test_an_answer_that_never_begins_is_left(fault, server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "ANSWER", 0.5)
    server.faults["a.bin"] = [(fault,)] * 10
    with remote(server, tmp_path) as file, pytest.raises(DownloadError, match=r"a\.bin: the server sent nothing whole"):
        file.save(tmp_path / "a.bin")


def test_the_body_of_a_redirect_is_not_read(server, tmp_path):
    server.faults["a.bin"] = [("endless", 302, {"Location": "/files/a.bin"})]
    with remote(server, tmp_path) as file:
        file.save(tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == DATA


@pytest.mark.parametrize(
    "headers, words",
    [
        ({"Content-Encoding": "gzip"}, r"the server packs it \(gzip\)"),
        ({"Content-Length": "many"}, "says that it has 'many' bytes"),
        ({"Content-Length": str(1 << 40)}, "no more than 8,589,934,592 are fetched unannounced"),
    ],
)
def test_a_body_whose_size_cannot_be_believed_is_refused(headers, words, server, tmp_path):
    server.faults["a.bin"] = [("endless", 200, headers)] * 10
    with remote(server, tmp_path) as file, pytest.raises(DownloadError, match=rf"a\.bin: .*{words}"):
        file.save(tmp_path / "a.bin")
    assert len(server.log) == 1
