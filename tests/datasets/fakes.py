"""A tiny full set, and a server on this machine that misbehaves on demand."""

import contextlib
import gzip
import hashlib
import io
import json
import struct
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from snnl_tutorial.datasets import load, registry

LABELS = [0, 1, 1, 0, 2]


def idx_files(prefix):
    """The content of two idx files: five images of 2 x 3 pixels and their labels."""
    pixels = bytes(range(30))
    return {
        f"{prefix}-images-idx3-ubyte": struct.pack(">4I", 0x803, 5, 2, 3) + pixels,
        f"{prefix}-labels-idx1-ubyte": struct.pack(">2I", 0x801, 5) + bytes(LABELS),
    }


TRAIN, TEST = idx_files("train"), idx_files("t10k")
MNIST = {**TRAIN, **TEST}
BYMERGE = idx_files("emnist-bymerge-test")
BALANCED = {
    f"{file}.gz": gzip.compress(content, mtime=0)
    for split in ("train", "test")
    for file, content in idx_files(f"emnist-balanced-{split}").items()
}


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def unzipped(content):
    return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content


def archive_of(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


ARCHIVE = archive_of(
    {
        "gzip/emnist-letters-train-labels-idx1-ubyte.gz": b"another set",
        **{f"gzip/{file}": content for file, content in BALANCED.items()},
        **{f"gzip/{file}.gz": gzip.compress(c, mtime=0) for file, c in BYMERGE.items()},
    }
)


def entry(contents, urls, **more):
    """The entry in full.json of a set whose train files come first."""
    files = list(contents)
    train, test = files[:2], files[-2:]
    return {
        "title": "made up",
        "urls": urls,
        "download": "1 KiB",
        "splits": {
            split: {"images": images, "labels": labels, "count": 5}
            for split, (images, labels) in (("train", train), ("test", test))
        },
        "sha256": {file: sha256(content) for file, content in contents.items()},
        "sizes": {file: len(unzipped(content)) for file, content in contents.items()},
        **more,
    }


def use_data_folder(folder, monkeypatch):
    """Read registries and small sets from this folder, and full sets from its cache."""
    for module in (load, registry):
        monkeypatch.setattr(module, "data_folder", lambda: folder)
    monkeypatch.setenv("SNNL_DATA", str(folder / "cache"))


def write_full_json(folder, *addresses, archive=ARCHIVE):
    """Describe the tiny sets in folder/full.json, with these addresses as mirrors."""
    zipped = {
        "urls": [f"{address}gzip.zip" for address in addresses],
        "archive_sha256": sha256(archive),
        "archive_at_most": len(archive) + 10,
        "transposed": True,
    }
    sets = {
        "mnist": entry(MNIST, list(addresses)),
        "emnist-balanced": entry(BALANCED, **zipped),
        "emnist-47": entry(BYMERGE, **zipped),
    }
    (folder / "full.json").write_text(json.dumps(sets))
    small = {file: {"train": 5000, "test": 1000} for file in registry.SMALL.values()}
    (folder / "registry.json").write_text(json.dumps(small))


# --- how a server can answer ----------------------------------------------------------


def good(handler, content):
    handler.head(len(content))
    handler.wfile.write(content)


def decoded(handler, content):
    """Declare the gzip as an encoding, which the client undoes, as some servers do."""
    handler.head(len(content), encoding="gzip")
    handler.wfile.write(content)


def web_page(handler, content):
    good(handler, b"<html>Please sign in</html>")


def not_found(handler, content):
    handler.send_error(404)


def cut(handler, content):
    handler.head(len(content))
    handler.wfile.write(content[: len(content) // 2])


def cut_unannounced(handler, content):
    handler.head(None)
    handler.wfile.write(content[: len(content) // 2])


def wrong(handler, content):
    good(handler, gzip.compress(b"\0\0\x08\x01" + bytes(20)))


def flipped(handler, content):
    middle = len(content) // 2
    flip = bytes([content[middle] ^ 1])
    good(handler, content[:middle] + flip + content[middle + 1 :])


def stall(handler, content):
    """Send a half, and nothing more until `release` is set."""
    cut(handler, content)
    handler.wfile.flush()
    handler.server.half_sent.set()
    handler.server.release.wait(60)


def redirect_to_itself(handler, content):
    handler.head(0, status=302, location=handler.path)


def other_length(handler, content):
    """Announce less than there is."""
    handler.head(len(content) - 9)
    handler.wfile.write(content)


def bomb(handler, content):
    """Send a few hundred bytes that unzip to half a million."""
    good(handler, gzip.compress(bytes(500_000)))


def until_given_up(send):
    """Call `send` again and again, until the other side closes the connection."""
    with contextlib.suppress(OSError):
        while True:
            send()


def endless(handler, content):
    handler.head(None)
    until_given_up(lambda: handler.wfile.write(bytes(2**16)))


def drip(handler, content):
    """Send a byte now and then, which no limit on pauses can see."""
    handler.head(len(content))
    until_given_up(handler.drip)


def drip_headers(handler, content):
    handler.wfile.write(b"HTTP/1.0 200 OK\r\nX-Slow: ")
    until_given_up(handler.drip)


def redirect_with_endless_body(handler, content):
    """Point to the second mirror, in an answer that goes on forever."""
    location = handler.path.replace("first", "second")
    handler.head(None, status=302, location=location)
    until_given_up(lambda: handler.wfile.write(bytes(2**16)))


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests.append(self.path)
        answers = self.server.answers.items()
        answer = next((a for part, a in answers if part in self.path), good)
        file = self.path.rsplit("/", 1)[1]
        answer(self, self.server.contents[file])

    def head(self, length, encoding=None, status=200, location=None):
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        if length is not None:
            self.send_header("Content-Length", str(length))
        if encoding:
            self.send_header("Content-Encoding", encoding)
        self.end_headers()

    def drip(self):
        self.wfile.write(b"x")
        if self.server.release.wait(0.01):
            raise BrokenPipeError

    def log_message(self, *arguments):
        """Stay silent."""


class Server(ThreadingHTTPServer):
    """Serves the tiny sets. `answers`: how paths that contain the key are served."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests, self.answers = [], {}
        self.contents = {f"{file}.gz": gzip.compress(c) for file, c in MNIST.items()}
        self.contents["gzip.zip"] = ARCHIVE
        self.half_sent, self.release = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        self.thread.start()

    def address(self, folder):
        return f"http://127.0.0.1:{self.server_port}/{folder}/"

    def end(self):
        self.release.set()
        self.shutdown()
        self.server_close()
        self.thread.join()


def serve(folder, monkeypatch, *mirrors):
    """Give a server of the tiny sets under these mirrors, and an empty cache."""
    use_data_folder(folder, monkeypatch)
    # A proxy that is set, as in many a company, must not be used for this machine.
    for scheme in ("http", "HTTP", "https", "HTTPS"):
        monkeypatch.setenv(f"{scheme}_PROXY", "http://127.0.0.1:1")
        monkeypatch.setenv(f"{scheme}_proxy", "http://127.0.0.1:1")
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(variable, "127.0.0.1")
    server = Server()
    write_full_json(folder, *(server.address(mirror) for mirror in mirrors))
    yield server
    server.end()
