"""The idx format, in which MNIST and its relatives are published, often gzipped."""

import gzip
import io
import zlib

import numpy as np


def unzip(content: bytes, size: int) -> bytes:
    """Decompress gzip; return anything else unchanged.

    Args:
        content: of a file.
        size: how many bytes it has, unzipped. A few bytes of gzip can unzip to
            thousands of times as many, so no more than one byte too many is unzipped.

    Raises:
        ValueError: the content starts like a gzip file, but is damaged or too long.

    Example:
        >>> unzip(gzip.compress(b"seven"), 5), unzip(b"seven", 5)
        (b'seven', b'seven')
    """
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        with gzip.open(io.BytesIO(content)) as file:
            unzipped = file.read(size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"cannot be unzipped: {error}") from error
    if len(unzipped) > size:
        raise ValueError(f"more than {size} bytes when unzipped")
    return unzipped


def read_idx(content: bytes) -> np.ndarray:
    """Read an idx file of bytes. The content is trusted: verify its hash before.

    The format is two zero bytes, the type (8: uint8), the number of dimensions, the
    size of each dimension as a big-endian 32-bit integer, and then the values.

    Example:
        >>> read_idx(bytes([0, 0, 8, 2,  0, 0, 0, 1,  0, 0, 0, 3,  7, 8, 9]))
        array([[7, 8, 9]], dtype=uint8)
    """
    dimensions = content[3]
    shape = np.frombuffer(content, ">u4", count=dimensions, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)
