"""What the operator of a SQLite file can do about an error, in a sentence."""

import sqlite3

from chat2response.stores.sqlite_file import FileUnusable

_ADVICE = {
    sqlite3.SQLITE_FULL: "The disk is full: free space there.",
    sqlite3.SQLITE_IOERR: "The disk does not take it: free space, and see the system's log.",
    sqlite3.SQLITE_READONLY: "The file is read-only: let the gateway's user write it, and its folder.",
    sqlite3.SQLITE_CANTOPEN: "Let the gateway's user read and write the file and its folder.",
    sqlite3.SQLITE_PERM: "Let the gateway's user read and write the file and its folder.",
    sqlite3.SQLITE_CORRUPT: "The file is damaged: stop every gateway and put a copy of it back.",
    sqlite3.SQLITE_NOTADB: "The file is no database: stop every gateway and put a copy of it back.",
    sqlite3.SQLITE_BUSY: "Another process holds the file: end what has a transaction open in it.",
}


def advice(error: Exception) -> str | None:
    """None where the error is all there is to say."""
    if isinstance(error, FileUnusable):
        return error.advice
    if isinstance(error, PermissionError):
        return _ADVICE[sqlite3.SQLITE_PERM]
    return _ADVICE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
