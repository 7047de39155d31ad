"""Where settings come from: the environment, and a `.env` file. Read once, at start."""

import logging
import os
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from chat2response.settings.errors import explain
from chat2response.settings.model import ENCODING, Settings
from chat2response.settings.names import KNOWN, PREFIX, meant_by_ours
from chat2response.settings.values import SettingsError

_FILE_NAMED_BY = ("ENV_FILE", "ENVFILE", "DOTENV_PATH")
_FILES = (".envfile", ".env")
_INJECTED = ("CHAT2RESPONSE_SERVICE_", "CHAT2RESPONSE_PORT")
_GONE = {
    "CHAT2RESPONSE_SLED_PATH": "sled is not kept here: write CHAT2RESPONSE_SQLITE_PATH=<path of a new file>"
    " or CHAT2RESPONSE_REDIS_URL in its place",
}
"""Settings of the Rust edition that mean nothing any more, and what to write instead."""


def load(env_file: Path | None = None) -> Settings:
    """The settings of this process. Raises SettingsError.

    `env_file`: by default the file that `ENV_FILE` (or `ENVFILE`, or `DOTENV_PATH`) names, else `.envfile` or
    `.env` in the working folder; the environment wins over it.
    """
    file = env_file_of(env_file)
    # It tells of a line that it cannot read at each reading, and names no file: `unread_lines` is for that.
    logging.getLogger("dotenv").setLevel(logging.ERROR)
    _refuse_unknown([*os.environ, *names_in(file)])
    try:
        return Settings(_env_file=file, **_lower_case_proxies())  # type: ignore[call-arg]
    except ValidationError as error:
        raise SettingsError(explain(error)) from None


def _lower_case_proxies() -> dict[str, Any]:
    """The standard variables are read in both cases; where both are set the lower case counts, as in curl.

    Set and empty, it says that there is no proxy.
    """
    names = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
    return {name: os.environ[name] for name in names if name in os.environ}


def env_file_of(given: Path | None) -> Path | None:
    """The file that is read beside the environment, as `load` has it. Raises SettingsError.

    No folder above is looked into: what lies there may be another project's, or another user's.
    """
    if given is not None:
        return given
    for name in _FILE_NAMED_BY:
        if named := os.environ.get(name, "").strip():
            if not Path(named).is_file():
                raise SettingsError(f"{name} names {named}, which is not a file.")
            return Path(named)
    return next((path for path in map(Path, _FILES) if path.is_file()), None)


def names_in(file: Path | None) -> list[str]:
    """The names of what it sets. Raises SettingsError."""
    if file is None:
        return []
    from dotenv import dotenv_values

    try:
        return list(dotenv_values(file, encoding=ENCODING))
    except UnicodeDecodeError:
        raise SettingsError(f"{file} is not a text file in UTF-8.") from None
    except OSError as error:
        raise SettingsError(
            f"{file} cannot be read ({error.strerror or error}): let the gateway's user read it, or name "
            "another file with --env-file."
        ) from None


def unread_lines(file: Path | None) -> list[int]:
    """The numbers of its lines that are no NAME=value, so that nothing is read from them."""
    if file is None:
        return []
    from dotenv.parser import parse_stream

    with file.open(encoding=ENCODING) as lines:
        read = list(parse_stream(lines))
    return [
        each.original.line + _blank_before(each.original.string)
        for each in read
        if each.error or (each.key is not None and each.value is None)
    ]


def _blank_before(text: str) -> int:
    """How many blank lines it begins with."""
    return text[: len(text) - len(text.lstrip())].count("\n")


def _refuse_unknown(names: list[str]) -> None:
    for name in names:
        upper = name.upper()
        if upper in _GONE:
            raise SettingsError(f"{name}: {_GONE[upper]}.")
        if upper.startswith(PREFIX) and upper not in KNOWN and not upper.startswith(_INJECTED):
            meant = meant_by_ours(name)
            hint = f"Did you mean {meant}?" if meant else "`chat2response settings` lists all of them."
            raise SettingsError(f"{name} is not a setting. {hint}")
