"""Errors of a SQLite file, described for the operator, with advice."""

import errno
import sqlite3
from pathlib import Path

from chat2response.stores.sqlite.file import FileUnusable

_ELSEWHERE = "another path with CHAT2RESPONSE_SQLITE_PATH or --keys-backend sqlite:<path>"
_PERMISSIONS = "Give the gateway's user read and write access to the file and its folder"
_ADVICE = {
    sqlite3.SQLITE_FULL: "The disk is full. Free disk space.",
    sqlite3.SQLITE_IOERR: "The disk refuses the operation. Free disk space, and check the system's log.",
    sqlite3.SQLITE_READONLY: f"The SQLite file is read-only. {_PERMISSIONS}.",
    sqlite3.SQLITE_CANTOPEN: f"{_PERMISSIONS}.",
    sqlite3.SQLITE_PERM: f"{_PERMISSIONS}.",
    sqlite3.SQLITE_CORRUPT: "The SQLite file is damaged. Stop every gateway and restore a backup.",
    sqlite3.SQLITE_NOTADB: "The file is not a SQLite database. If it was the key store, stop every gateway "
    f"and restore a backup. Otherwise choose {_ELSEWHERE}.",
    sqlite3.SQLITE_BUSY: "Another process has locked the file. Stop the process that has a transaction open.",
}
_BY_ERRNO = {
    **dict.fromkeys(
        (errno.ENOENT, errno.ENOTDIR, errno.EEXIST, errno.ELOOP, errno.ENAMETOOLONG),
        f"The file's folder does not exist and cannot be created. Choose {_ELSEWHERE}.",
    ),
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "The disk is full. Free disk space."),
    errno.EROFS: f"The file system is read-only. Choose {_ELSEWHERE}.",
    **dict.fromkeys((errno.EACCES, errno.EPERM), f"{_PERMISSIONS}, or choose {_ELSEWHERE}."),
}


def describe(error: Exception) -> str:
    """The error for the operator: the system's message and the path, without an error number."""
    if isinstance(error, FileUnusable):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {Path(error.filename).absolute()}" if error.filename else error.strerror
    return f"{type(error).__name__}: {error}"


def advice(error: Exception) -> str | None:
    """What the operator can do; None if the error says it all."""
    if isinstance(error, FileUnusable):
        return error.advice
    if isinstance(error, OSError):
        return _BY_ERRNO.get(error.errno or 0)
    return _ADVICE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
