"""Warns about settings that are valid but most likely a mistake. Warnings do not prevent the start."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from chat2response.settings.fields import Settings
from chat2response.settings.load import env_file_of, names_in, unread_lines
from chat2response.settings.names import PREFIX, suggestion_without_prefix

_QUOTES = "\"'`\u2018\u2019\u201c\u201d"
_KEYS = ("OPENAI_API_KEY", "CHAT2RESPONSE_ADMIN_TOKEN")


def warnings(settings: Settings, env_file: Path | None = None) -> Iterator[str]:
    """One sentence for each warning; values are never repeated. `env_file`: as in `load`.

    Other programs use the environment too, so only a name very close to a setting is reported. The `.env`
    file is for the gateway alone, so a name without the prefix is reported as well.
    """
    file = env_file_of(env_file)
    in_file = [name.upper() for name in names_in(file)]
    for number in unread_lines(file):
        yield f"line {number} of {file} is not NAME=value, and is ignored."
    for name in dict.fromkeys([*os.environ, *in_file]):
        nearest = suggestion_without_prefix(name, in_file=name.upper() in in_file)
        if nearest is not None and not _is_set(settings, nearest):
            yield f"{name} is not a setting, and is ignored. Did you mean {nearest}?"
    for name in type(settings).model_fields:
        if name in settings.model_fields_set:
            yield from _value_warnings(name.upper(), _text(getattr(settings, name)))
    if urlsplit(settings.base_url).username is not None:
        yield (
            "OPENAI_BASE_URL contains a login (user:password@). The gateway does not send it. "
            "Put the upstream's key into OPENAI_API_KEY."
        )


def _value_warnings(name: str, text: str) -> Iterator[str]:
    is_key = name in _KEYS
    if text and (text[0] in _QUOTES or text[-1] in _QUOTES if is_key else _is_quoted(text)):
        yield (
            f"{name} has quotation marks around it, which count as part of the value. Remove them: "
            "not every program strips them (`docker --env-file` does not)."
        )
    if is_key and text.strip(_QUOTES).lower().startswith("bearer "):
        yield f"{name} begins with 'Bearer '. The gateway adds that itself: remove it."


def _is_quoted(text: str) -> bool:
    return len(text) > 1 and text[0] in _QUOTES and text[-1] in _QUOTES


def _text(value: Any) -> str:
    """The text of a text setting; empty for any other."""
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    return str(value).strip() if isinstance(value, str | Path) else ""


def _is_set(settings: Settings, name: str) -> bool:
    field = "upstream_mode" if name == f"{PREFIX}UPSTREAM" else name.lower()
    return field in settings.model_fields_set
