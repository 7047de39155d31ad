"""`CheckedSettings`: settings that the code which uses them has checked, and `load`, which reads them.

Only the code that uses a profile's name, a Redis address or a list of networks can check it. These checks
run with those of the fields, so that one error names every wrong variable.
"""

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr, field_validator

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

# A base URL may end in `/models` or `/chat` (as on Azure AI), but not in `/v1/models` or `/v1/chat`.
_ENDPOINT = re.compile(
    r"(/(?:chat/completions|completions|responses|messages|embeddings)|(?<=/v1)/(?:models|chat))/*$",
    re.IGNORECASE,
)


class CheckedSettings(Settings, defer_build=False):
    """Settings that every folder can use. The validators raise ValueError with a message for the operator."""

    @field_validator("openai_base_url")
    @classmethod
    def _base_url(cls, value: str | None) -> str | None:
        if value is not None:
            _check_base_url(value.strip())
        return value

    @field_validator("chat2response_redis_url", mode="before")
    @classmethod
    def _redis_url(cls, value: Any) -> Any:
        # Runs before the value becomes a secret, so that the error can say what is wrong without showing it.
        if isinstance(value, str) and value.strip():
            redis_address.check(value.strip())
        return value

    @field_validator("chat2response_admin_token")
    @classmethod
    def _admin_token(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value().strip()) < MIN_TOKEN_LENGTH:
            raise ValueError(
                f"it has fewer than {MIN_TOKEN_LENGTH} characters and could be guessed; use a random one, "
                "for example from `openssl rand -hex 32`"
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


def load(env_file: Path | None = None) -> Settings:
    """The settings of this process, fully checked. Raises SettingsError.

    `env_file`: as in `settings.load`.
    """
    return load_settings(env_file, model=CheckedSettings, redact=redact)


def _check_base_url(url: str) -> None:
    if url[:1] in ("'", '"'):
        raise ValueError("remove the quotation marks around the value")
    if not url.lower().startswith(("http://", "https://")):
        raise ValueError("it must start with http:// or https://, for example https://api.openai.com/v1")
    if not _is_base_url(url):
        raise ValueError(
            "it must be http(s)://host[:port]/path without query, like https://api.openai.com/v1"
        )
    if endpoint := _ENDPOINT.search(url):
        base = shown_url(url[: endpoint.start()])
        raise ValueError(
            f"it ends in the endpoint {endpoint[1].lower()}; write only the base URL {base}: the gateway "
            "adds the endpoint"
        )


def _is_base_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0 and not (parts.query or parts.fragment)
    except ValueError:  # the port is not a number
        return False
