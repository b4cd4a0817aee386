"""write(2) that keeps the interpreter's lock, for the few hundred bytes that every request appends to a file.

os.write lets other threads run meanwhile, which is right for what may take long. Here it takes microseconds, and to get
the lock back among busy threads takes many times that, with all who write after it waiting. The price: on a disk so
slow that write(2) itself has to wait, the whole process waits with it, not only the requests that have to be recorded.
"""

import ctypes
import errno
import os

_libc = ctypes.PyDLL(None, use_errno=True)
_write = _libc.write
_write.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t)
_write.restype = ctypes.c_ssize_t


def write(descriptor: int, data: bytes) -> int:
    """Return how many bytes were written, which may be fewer. Raises OSError."""
    written: int
    while (written := _write(descriptor, data, len(data))) < 0:
        number = ctypes.get_errno()
        if number != errno.EINTR:
            raise OSError(number, os.strerror(number))
    return written
