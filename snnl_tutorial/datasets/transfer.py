"""Receive a URL, with limits on bytes and time that hold whatever a server does."""

import contextlib
import queue
import threading
import time
from collections.abc import Iterator
from typing import BinaryIO
from urllib.parse import urljoin

import requests
from tqdm import tqdm

STALL_SECONDS = 30
"""How long a server may send nothing."""
TRANSFER_SECONDS = 2 * 60 * 60
"""How long one transfer may take, from the first connection to the last byte."""
MOST_REDIRECTS = 10
PIECE = 2**16
"""Bytes that are received at a time."""


class TransferError(Exception):
    """The server, or the network on the way to it, is at fault."""


def receive(url: str, file: BinaryIO, limit: int) -> None:
    """Write the body of a URL to a file, with a progress bar (at a terminal only).

    Another thread waits for the network. However long it hangs, at a name server or on
    a server that sends a byte now and then, the clock runs here. So does the writing,
    and an `OSError` of this function is never the server's.

    Raises:
        TransferError: nothing came for `STALL_SECONDS`, the transfer was not complete
            after `TRANSFER_SECONDS`, the body has more than `limit` bytes or less than
            announced, or the server answered with an error.
        OSError: the file cannot be written.
    """
    deadline = time.monotonic() + TRANSFER_SECONDS
    name = url.rsplit("/", 1)[-1]
    with (
        tqdm(desc=name, unit="B", unit_scale=True, disable=None) as bar,
        started(url, bar) as pieces,
    ):
        received = 0
        while piece := next_piece(pieces, deadline):
            received += len(piece)
            if received > limit:
                raise TransferError(f"more than {limit} bytes")
            file.write(piece)
            bar.update(len(piece))


def next_piece(pieces: queue.Queue, deadline: float) -> bytes:
    """Wait for the next piece; b"" is the end."""
    try:
        if (wait := deadline - time.monotonic()) <= 0:
            raise queue.Empty
        piece = pieces.get(timeout=wait)
    except queue.Empty:
        raise TransferError(f"not complete after {TRANSFER_SECONDS:g} s") from None
    if isinstance(piece, Exception):
        raise TransferError(root_cause(piece)) from piece
    return piece


@contextlib.contextmanager
def started(url: str, bar: tqdm) -> Iterator[queue.Queue]:
    """Start to receive in a thread; yield a queue of pieces, then b"" or an error."""
    pieces: queue.Queue = queue.Queue(maxsize=1)
    stopped = threading.Event()

    def run() -> None:
        try:
            for piece in body(url, bar):
                pieces.put(piece)
                if stopped.is_set():
                    return
            pieces.put(b"")
        except Exception as error:
            pieces.put(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        yield pieces
    finally:
        stopped.set()
        with contextlib.suppress(queue.Empty):
            pieces.get_nowait()  # frees the thread, which puts once more at most


def body(url: str, bar: tqdm) -> Iterator[bytes]:
    """Yield the body of a URL in pieces, as it is sent."""
    with Session() as session:
        for _ in range(MOST_REDIRECTS + 1):
            with session.get(
                url,
                stream=True,
                timeout=STALL_SECONDS,
                headers={"Accept-Encoding": "identity"},
            ) as response:
                response.raise_for_status()
                if not response.is_redirect:
                    bar.total = int(response.headers.get("Content-Length", 0)) or None
                    # An encoding is not undone: nothing unzips to more than was sent.
                    yield from response.raw.stream(PIECE, decode_content=False)
                    return
                url = urljoin(url, response.headers["Location"])
        raise requests.TooManyRedirects(f"more than {MOST_REDIRECTS} redirects")


class Session(requests.Session):
    """Follows no redirect: requests would first read its body, however long that is."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


def root_cause(error: BaseException) -> str:
    """Return the first error of the chain in one line, without requests' wrappers."""
    while error.__context__ is not None:
        error = error.__context__
    return " ".join(f"{type(error).__name__}: {error}".split())
