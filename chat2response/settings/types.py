"""The types of settings, and the error that settings raise."""

from enum import StrEnum
from typing import Literal

LogLevel = Literal["debug", "info", "warning", "error", "critical"]
Fidelity = Literal["strict", "warn", "drop"]
ReasoningMode = Literal["auto", "summary", "content", "hide"]
HostedTools = Literal["drop", "refuse"]
OrphanedCalls = Literal["refuse", "repair"]
ClientProfileName = Literal["default", "open-responses"]


class SettingsError(Exception):
    """The configuration cannot be used. The message tells the operator what to write."""


class AuthMode(StrEnum):
    """Which keys the gateway accepts.

    `MANAGED`: keys that the gateway issues. `PASSTHROUGH`: the upstream's own keys, passed on unchanged.
    `OPEN`: no key at all; all callers are one tenant.
    """

    MANAGED = "managed"
    PASSTHROUGH = "passthrough"
    OPEN = "open"


class UpstreamMode(StrEnum):
    """The API that the upstream speaks. `BOTH`: each dialect goes up unchanged, `/proxy` as Responses."""

    RESPONSES = "responses"
    CHAT = "chat"
    BOTH = "both"
    DEMO = "demo"
