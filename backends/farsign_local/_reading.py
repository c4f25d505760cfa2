"""Reading a key file: who may have put it there, who else can read it, and what happened if it cannot be read (RULES 15)."""

from __future__ import annotations

import errno
import os
import shlex
import stat
from typing import Final

from farsign.driver import Failure
from farsign.errors import KeyFileError, KeyNotFound, KeyUnavailable, PermissionDenied

LIMIT: Final = 65_536  # bytes


def read(path: str) -> tuple[bytes, float]:
    """The file's content, and since when it is there (seconds since the epoch). Raises KeyFileError and OSError."""
    # A FIFO would hold us until somebody writes, a terminal would become ours: neither is asked what it is before it is open.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        _refuse(path, status)
        content = _all(descriptor)
    finally:
        os.close(descriptor)
    if len(content) > LIMIT:
        raise KeyFileError(f"{path!r} has more than {LIMIT} bytes", next_step="a key file holds one private key: PEM or JWK")
    return content, status.st_ctime  # not mtime, which tools set to the past


def _all(descriptor: int) -> bytes:
    parts, size = [], 0
    while size <= LIMIT and (part := os.read(descriptor, LIMIT + 1 - size)):
        parts.append(part)
        size += len(part)
    return b"".join(parts)


def _refuse(path: str, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise KeyFileError(f"{path!r} is not a regular file", next_step="a key file is a regular file, or a link to one")
    mode = stat.S_IMODE(status.st_mode)
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        raise KeyFileError(
            f"{path!r} is open to every user of this machine (mode {mode:04o})",
            next_step=f"chmod 600 {shlex.quote(path)}; in Kubernetes set the secret volume's defaultMode to 0400, or 0440 with fsGroup",
        )
    if mode & (stat.S_IRGRP | stat.S_IWGRP) and status.st_gid not in {os.getegid(), *os.getgroups()}:
        raise KeyFileError(
            f"{path!r} is open to group {status.st_gid} (mode {mode:04o}), which this process is not in",
            next_step=f"chmod 600 {shlex.quote(path)}, or give the file to a group of this process",
        )


_NOT_THERE: Final = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO)
_DENIED: Final = (errno.EACCES, errno.EPERM)


def classify(error: OSError, path: str, make: str) -> Failure:
    """What it means that the file cannot be read; ``make`` is the command that makes it.

    A key that was there and is not any more is an answer; a sick disk is not.
    """
    code = errno.errorcode.get(error.errno or 0, "")
    message = f"{path!r}: {os.strerror(error.errno or 0)}"
    if error.errno in _NOT_THERE:
        return Failure(KeyNotFound, code, message=message, next_step=f"put a key there: {make}")
    if error.errno in _DENIED:
        step = f"chown {os.geteuid()} {shlex.quote(path)}; chmod 600 {shlex.quote(path)}"
        return Failure(PermissionDenied, code, "read", message=message, next_step=step)
    return Failure(KeyUnavailable, code, message=message)
