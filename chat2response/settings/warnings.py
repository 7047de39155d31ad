"""What is set, could be read, and is most likely not what was meant: told at start, and let be."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from chat2response.settings.load import env_file_of, names_in, unread_lines
from chat2response.settings.model import Settings
from chat2response.settings.names import PREFIX, meant_by

_QUOTES = "\"'`\u2018\u2019\u201c\u201d"
_KEYS = ("OPENAI_API_KEY", "CHAT2RESPONSE_ADMIN_TOKEN")


def doubts(settings: Settings, env_file: Path | None = None) -> Iterator[str]:
    """A sentence for each. `env_file`: as `load` was given it. No value is repeated.

    The environment is other programs' too: there only a name that is nearly one of ours is told. A line of a
    .env file is for us, so a name that only lacks our prefix is told as well.
    """
    file = env_file_of(env_file)
    own = [name.upper() for name in names_in(file)]
    for number in unread_lines(file):
        yield f"line {number} of {file} is not NAME=value, and nothing was read from it."
    for name in dict.fromkeys([*os.environ, *own]):
        meant = meant_by(name, in_file=name.upper() in own)
        if meant is not None and not _is_set(settings, meant):
            yield f"{name} is not a setting, and nothing was read from it. Did you mean {meant}?"
    for name in type(settings).model_fields:
        if name in settings.model_fields_set:
            yield from _of_value(name.upper(), _text(getattr(settings, name)))
    if urlsplit(settings.base_url).username is not None:
        yield (
            "OPENAI_BASE_URL has a login in it (user:password@), which is not sent to the upstream. "
            "Write the upstream's key in OPENAI_API_KEY."
        )


def _of_value(name: str, text: str) -> Iterator[str]:
    is_key = name in _KEYS
    if text and (text[0] in _QUOTES or text[-1] in _QUOTES if is_key else _is_quoted(text)):
        yield (
            f"{name} has quotation marks around it, and they are taken as a part of it. Remove them: "
            "`docker --env-file`, for one, does not."
        )
    if is_key and text.strip(_QUOTES).lower().startswith("bearer "):
        yield f"{name} begins with 'Bearer ', which the gateway adds itself. Remove the word."


def _is_quoted(text: str) -> bool:
    return len(text) > 1 and text[0] in _QUOTES and text[-1] in _QUOTES


def _text(value: Any) -> str:
    """Of a setting that is a text; empty of any other."""
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    return str(value).strip() if isinstance(value, str | Path) else ""


def _is_set(settings: Settings, name: str) -> bool:
    field = "upstream_mode" if name == f"{PREFIX}UPSTREAM" else name.lower()
    return field in settings.model_fields_set
