"""A real HTTP server that serves bytes from memory, counts what it sends, and fails in every way asked for."""

import contextlib
import http.server
import re
import threading
import time


class Server(http.server.ThreadingHTTPServer):
    """Files by name, with `.headers[name]`; `.faults[name]` is a list of faults, one used up by each request:

    ("cut", n) closes the line after n bytes; ("status", code, headers); ("html",) answers 200 with a page; ("stall",
    seconds) falls silent half-way, ("silent", seconds) before the answer; ("corrupt", place) flips the byte there;
    ("shift", n) answers with the range n bytes further on; ("headers", dict) adds headers; ("endless", code, headers)
    sends pieces without end and without a length, ("drip",) small ones and slowly; ("continue",) answers 100 without
    end, ("head",) a head without end, byte by byte; None is no fault.
    """

    daemon_threads = True

    def __init__(self, files, ranges=True, rate=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.ranges, self.rate = dict(files), ranges, rate
        self.faults, self.headers, self.log, self.sent, self.lock = {}, {}, [], 0, threading.Lock()

    def url(self, name):
        return f"http://127.0.0.1:{self.server_address[1]}/files/{name}?download=1"

    def row(self, name, dataset="ravdess-speech", **changes):
        """The file's line in a manifest: dict."""
        import hashlib

        data = self.files[name]
        row = {"dataset": dataset, "file": name, "url": self.url(name), "bytes": str(len(data))}
        return row | {"md5": hashlib.md5(data).hexdigest(), "licence": "made for the tests"} | changes

    def handle_error(self, request, client_address):
        pass  # a client that is killed is what these tests are about


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        name = self.path.split("?")[0].rsplit("/", 1)[-1]
        data, server = self.server.files.get(name), self.server
        with server.lock:
            waiting = server.faults.get(name, [])
            fault = (waiting.pop(0) if waiting else None) or ("none",)
            server.log.append((name, self.headers.get("Range")))
        if "python-requests" in self.headers.get("User-Agent", ""):
            return self.plain(403, b"default agents are not welcome")
        if data is None:
            return self.plain(404, b"nothing here")
        if fault[0] == "status":
            return self.plain(fault[1], b"not now", fault[2])
        if fault[0] == "html":
            return self.plain(200, b"<!DOCTYPE html><title>Please sign in</title>", {"Content-Type": "text/html"})
        if fault[0] == "silent":
            time.sleep(fault[1])
        if fault[0] in ("endless", "drip"):
            return self.endless(fault[0] == "drip", *fault[1:])
        if fault[0] in ("continue", "head"):
            return self.no_answer(fault[0] == "head")
        self.body(name, data, fault)

    def no_answer(self, slow):
        with contextlib.suppress(OSError):
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX: " if slow else b"")
            while True:
                self.wfile.write(b"x" if slow else b"HTTP/1.1 100 Continue\r\n\r\n")
                time.sleep(0.01)
        self.close_connection = True

    def endless(self, slow, code=200, headers=()):
        self.send_response(code)
        for key, value in dict(headers).items():
            self.send_header(key, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with contextlib.suppress(OSError):  # until the client has had enough
            while True:
                piece = b"x" * (1 if slow else 10_000)
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.server.sent += len(piece)
                time.sleep(0.05 if slow else 0)
        self.close_connection = True

    def plain(self, code, body, headers=()):
        self.send_response(code)
        for key, value in {"Content-Length": len(body), **dict(headers)}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

    def body(self, name, data, fault):
        match = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", "")) if self.server.ranges else None
        start, stop = 0, len(data)
        if match and match[1]:
            start, stop = int(match[1]), int(match[2]) + 1 if match[2] else len(data)
        elif match:
            start = max(0, len(data) - int(match[2]))
        if fault[0] == "shift":
            start, stop = start + fault[1], min(stop + fault[1], len(data))
        self.send_response(206 if match else 200)
        if match:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(data)}")
        self.send_header("Content-Length", stop - start)
        extra = fault[1] if fault[0] == "headers" else {}
        for key, value in {"ETag": f'"{hash(data)}"', **self.server.headers.get(name, {}), **extra}.items():
            self.send_header(key, value)
        self.end_headers()
        out = bytearray(data[start:stop])
        if fault[0] == "corrupt" and start <= fault[1] < stop:
            out[fault[1] - start] ^= 255
        if fault[0] == "cut":
            del out[fault[1] :]
        if fault[0] == "stall":
            del out[len(out) // 2 :]
        self.send(out)
        if fault[0] == "stall":
            time.sleep(fault[1])
        if fault[0] in ("cut", "stall"):
            self.close_connection = True

    def send(self, out):
        step = 2048 if self.server.rate else 1 << 20
        for i in range(0, len(out), step):
            with self.server.lock:
                self.server.sent += len(out[i : i + step])
            self.wfile.write(out[i : i + step])
            if self.server.rate:
                time.sleep(step / self.server.rate)


@contextlib.contextmanager
def serving(files, **options):
    server = Server(files, **options)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
