"""What the operator of a SQLite file can do about an error, in a sentence."""

import errno
import sqlite3
from pathlib import Path

from chat2response.stores.sqlite.file import FileUnusable

_ELSEWHERE = "choose another file with CHAT2RESPONSE_SQLITE_PATH, or --keys-backend sqlite:<path>"
_ADVICE = {
    sqlite3.SQLITE_FULL: "The disk is full: free space there.",
    sqlite3.SQLITE_IOERR: "The disk does not take it: free space, and see the system's log.",
    sqlite3.SQLITE_READONLY: "The file is read-only: let the gateway's user write it, and its folder.",
    sqlite3.SQLITE_CANTOPEN: "Let the gateway's user read and write the file and its folder.",
    sqlite3.SQLITE_PERM: "Let the gateway's user read and write the file and its folder.",
    sqlite3.SQLITE_CORRUPT: "The file is damaged: stop every gateway and put a copy of it back.",
    sqlite3.SQLITE_NOTADB: "The file is no database: if it was the key store, stop every gateway and put a "
    f"copy of it back; else {_ELSEWHERE}.",
    sqlite3.SQLITE_BUSY: "Another process holds the file: end what has a transaction open in it.",
}
_BY_ERRNO = {
    **dict.fromkeys(
        (errno.ENOENT, errno.ENOTDIR, errno.EEXIST, errno.ELOOP, errno.ENAMETOOLONG),
        f"Its folder is not there, and cannot be made: {_ELSEWHERE}.",
    ),
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "The disk is full: free space there."),
    errno.EROFS: f"The file system is read-only: {_ELSEWHERE}.",
    **dict.fromkeys(
        (errno.EACCES, errno.EPERM),
        f"Let the gateway's user read and write the file and its folder, or {_ELSEWHERE}.",
    ),
}


def words(error: Exception) -> str:
    """The error, as an operator reads it: the system's sentence and the path, without a number."""
    if isinstance(error, FileUnusable):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {Path(error.filename).absolute()}" if error.filename else error.strerror
    return f"{type(error).__name__}: {error}"


def advice(error: Exception) -> str | None:
    """None where the error is all there is to say."""
    if isinstance(error, FileUnusable):
        return error.advice
    if isinstance(error, OSError):
        return _BY_ERRNO.get(error.errno or 0)
    return _ADVICE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
