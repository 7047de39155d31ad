"""`CheckedSettings`: settings whose values the floors have checked, and `load`, which reads them.

A profile's name, a Redis address or a list of networks can only be judged by the code that uses it. Its
checks run with those of the fields, so that one error names every wrong variable.
"""

import re
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from pydantic import SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from chat2response.api.admin.token_file import MIN_LENGTH as MIN_TOKEN_LENGTH
from chat2response.api.http.client_address import networks
from chat2response.compose.api import seconds_by_surface
from chat2response.compose.upstreams import json_object
from chat2response.convert.quirks.profiles import profile
from chat2response.convert.quirks.quirks import Quirks, with_overrides
from chat2response.observe.redact import redact, shown_url
from chat2response.settings import Settings, checks
from chat2response.settings import load as load_settings
from chat2response.state.sealing import parse_keys
from chat2response.stores.redis import address as redis_address

# `/models` and `/chat` alone may end a base URL (as on Azure AI), but not behind `/v1`.
_ENDPOINT = re.compile(
    r"(/(?:chat/completions|completions|responses|messages|embeddings)|(?<=/v1)/(?:models|chat))/*$",
    re.IGNORECASE,
)


class CheckedSettings(Settings):
    """Settings that every floor can use. Its validators raise ValueError with a text for the operator."""

    model_config = SettingsConfigDict(defer_build=False)

    @field_validator("openai_base_url")
    @classmethod
    def _base_url(cls, value: str | None) -> str | None:
        if value is not None:
            _check_base_url(value.strip())
        return value

    @field_validator("chat2response_redis_url", mode="before")
    @classmethod
    def _redis_url(cls, value: Any) -> Any:
        # Checked before it becomes a secret, so that the error can say what is wrong without showing it.
        if isinstance(value, str) and value.strip():
            redis_address.check(value.strip())
        return value

    @field_validator("chat2response_admin_token")
    @classmethod
    def _admin_token(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value().strip()) < MIN_TOKEN_LENGTH:
            raise ValueError(
                f"it has fewer than {MIN_TOKEN_LENGTH} characters, so it could be guessed; take a random "
                "one, for example what `openssl rand -hex 32` prints"
            )
        return checks.one_line(value)

    @field_validator("chat2response_admin_allow", "chat2response_trusted_proxies")
    @classmethod
    def _networks(cls, value: str | None) -> str | None:
        if value is not None:
            networks(value)
        return value

    @field_validator("chat2response_upstream_profile")
    @classmethod
    def _profile(cls, value: str | None) -> str | None:
        if value is not None:
            value = value.strip().lower()
            profile(value)
        return value

    @field_validator("chat2response_quirks")
    @classmethod
    def _quirks(cls, value: str | None) -> str | None:
        if value is not None:
            with_overrides(Quirks(), json_object(value))
        return value

    @field_validator("chat2response_seal_key")
    @classmethod
    def _seal_keys(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parse_keys(value.get_secret_value())
        return value

    @field_validator("chat2response_heartbeat_seconds", "chat2response_stall_seconds")
    @classmethod
    def _seconds(cls, value: str | None) -> str | None:
        if value is not None:
            seconds_by_surface(value, {})
        return value


def load(env_file: Path | None = None) -> CheckedSettings:
    """The settings of this process, checked by every floor. Raises SettingsError.

    `env_file`: as in `settings.load`.
    """
    return cast(CheckedSettings, load_settings(env_file, model=CheckedSettings, redact=redact))


def _check_base_url(url: str) -> None:
    if url[:1] in ("'", '"'):
        raise ValueError("it has quotation marks around it: remove them")
    if not url.lower().startswith(("http://", "https://")):
        raise ValueError("it begins with http:// or https://, for example https://api.openai.com/v1")
    if not _is_base_url(url):
        raise ValueError("it is http(s)://host[:port]/path, with no query: https://api.openai.com/v1")
    if endpoint := _ENDPOINT.search(url):
        base = shown_url(url[: endpoint.start()])
        raise ValueError(
            f"it names the endpoint {endpoint[1].lower()}; write the base {base} alone: the gateway adds the "
            "endpoint"
        )


def _is_base_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0 and not (parts.query or parts.fragment)
    except ValueError:  # the port is no number
        return False
