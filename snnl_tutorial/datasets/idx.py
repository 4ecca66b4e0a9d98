"""The idx format, in which MNIST and its relatives are published, often gzipped."""

import gzip
import zlib

import numpy as np


def unzip(content: bytes) -> bytes:
    """Decompress gzip; return anything else unchanged.

    Raises:
        ValueError: the content starts like a gzip file, but is damaged.

    Example:
        >>> unzip(gzip.compress(b"seven")), unzip(b"seven")
        (b'seven', b'seven')
    """
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"cannot be unzipped: {error}") from error


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
