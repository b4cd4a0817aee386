"""write(2) that keeps the interpreter's lock, for the few hundred bytes that every request appends to a file.

os.write lets other threads run meanwhile. That is right for what may take long; here it takes two microseconds, and to
get the lock back among busy threads takes fifty, with all who write after it waiting. On a disk that is so slow that
write(2) itself has to wait, whoever records waits for it either way.
"""

import ctypes
import os

_libc = ctypes.PyDLL(None, use_errno=True)
_write = _libc.write
_write.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t)
_write.restype = ctypes.c_ssize_t


def write(descriptor: int, data: bytes) -> int:
    """Return how many bytes were written, which may be fewer. Raises OSError."""
    written: int = _write(descriptor, data, len(data))
    if written < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return written
