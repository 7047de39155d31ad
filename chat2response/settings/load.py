"""Loads the settings from the environment and a `.env` file, once, at start."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from chat2response.settings.errors import explain
from chat2response.settings.fields import ENCODING, Settings
from chat2response.settings.names import KNOWN, PREFIX, suggestion_with_prefix
from chat2response.settings.types import SettingsError

_FILE_VARIABLES = ("ENV_FILE", "ENVFILE", "DOTENV_PATH")
_FILES = (".envfile", ".env")
_INJECTED = ("CHAT2RESPONSE_SERVICE_", "CHAT2RESPONSE_PORT")
_REMOVED = {
    "CHAT2RESPONSE_SLED_PATH": "this edition does not use sled. Set CHAT2RESPONSE_SQLITE_PATH=<a new file>"
    " or CHAT2RESPONSE_REDIS_URL instead",
}
"""Settings of the Rust edition that have no meaning here, and what to write instead."""


def load(
    env_file: Path | None = None,
    *,
    model: type[Settings] = Settings,
    redact: Callable[[str], str] = str,
) -> Settings:
    """The settings of this process. Raises SettingsError.

    `env_file`: by default the file that `ENV_FILE` (or `ENVFILE`, or `DOTENV_PATH`) names, else `.envfile` or
    `.env` in the working folder. The environment overrides it. `model`: a subclass with further checks.
    `redact`: masks secrets in the text of an error.
    """
    file = env_file_of(env_file)
    # dotenv logs unreadable lines each time, without the name of the file; `unread_lines` reports them.
    logging.getLogger("dotenv").setLevel(logging.ERROR)
    _refuse_unknown([*os.environ, *names_in(file)])
    try:
        return model(_env_file=file, **_lower_case_proxies())  # type: ignore[call-arg]
    except ValidationError as error:
        raise SettingsError(explain(error, redact)) from None


def _lower_case_proxies() -> dict[str, Any]:
    """Standard proxy variables in lower case. They override upper case, as in curl. Empty means no proxy."""
    names = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
    return {name: os.environ[name] for name in names if name in os.environ}


def env_file_of(env_file: Path | None) -> Path | None:
    """The `.env` file that `load` reads. Raises SettingsError.

    Parent folders are not searched: a file there may belong to another project or user.
    """
    if env_file is not None:
        return env_file
    for name in _FILE_VARIABLES:
        if path := os.environ.get(name, "").strip():
            if not Path(path).is_file():
                raise SettingsError(f"{name} names {path}, which is not a file.")
            return Path(path)
    return next((path for path in map(Path, _FILES) if path.is_file()), None)


def names_in(file: Path | None) -> list[str]:
    """The names of the variables that the file sets. Raises SettingsError."""
    if file is None:
        return []
    from dotenv import dotenv_values

    try:
        return list(dotenv_values(file, encoding=ENCODING))
    except UnicodeDecodeError:
        raise SettingsError(f"{file} is not a text file in UTF-8.") from None
    except OSError as error:
        raise SettingsError(
            f"{file} cannot be read ({error.strerror or error}). Make it readable for the gateway's user, or "
            "name another file with --env-file."
        ) from None


def unread_lines(file: Path | None) -> list[int]:
    """The numbers of the lines that are not NAME=value, and are ignored."""
    if file is None:
        return []
    from dotenv.parser import parse_stream

    with file.open(encoding=ENCODING) as lines:
        bindings = list(parse_stream(lines))
    return [
        each.original.line + _blank_before(each.original.string)
        for each in bindings
        if each.error or (each.key is not None and each.value is None)
    ]


def _blank_before(text: str) -> int:
    """The number of blank lines at the beginning."""
    return text[: len(text) - len(text.lstrip())].count("\n")


def _refuse_unknown(names: list[str]) -> None:
    for name in names:
        upper = name.upper()
        if upper in _REMOVED:
            raise SettingsError(f"{name}: {_REMOVED[upper]}.")
        if upper.startswith(PREFIX) and upper not in KNOWN and not upper.startswith(_INJECTED):
            nearest = suggestion_with_prefix(name)
            hint = f"Did you mean {nearest}?" if nearest else "`chat2response settings` lists all settings."
            raise SettingsError(f"{name} is not a setting. {hint}")
