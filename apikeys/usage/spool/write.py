"""write(2) without releasing the GIL, for the few hundred bytes that every request appends to a
file.

os.write releases the GIL, which is right for calls that may take long. This call takes
microseconds. Getting the GIL back among busy threads takes many times that, while every other
writer waits. The price: on a disk so slow that write(2) itself blocks, the whole process blocks,
not only the requests that have to be recorded.
"""

import ctypes
import errno
import os

_libc = ctypes.PyDLL(None, use_errno=True)
_write = _libc.write
_write.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t)
_write.restype = ctypes.c_ssize_t


def write(descriptor: int, data: bytes) -> int:
    """Return how many bytes were written, which may be fewer than given. Raises OSError."""
    written: int
    while (written := _write(descriptor, data, len(data))) < 0:
        number = ctypes.get_errno()
        if number != errno.EINTR:
            raise OSError(number, os.strerror(number))
    return written
