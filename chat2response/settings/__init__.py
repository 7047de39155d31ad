"""Reads environment variables and a `.env` file into `Settings`, plain values. No other folder does.

They are read once, at start (law 13, configuration is read once). An unknown `CHAT2RESPONSE_*` variable is an
error that names the nearest setting. Variables that an orchestrator injects for a service named like us
(`CHAT2RESPONSE_SERVICE_*`, `CHAT2RESPONSE_PORT*`) are ignored. Nothing here imports another folder:
`compose/` turns settings into options.
"""

from chat2response.settings.checks import listen_address
from chat2response.settings.fields import OPENAI, URLS, Settings
from chat2response.settings.load import load
from chat2response.settings.types import AuthMode, SettingsError, UpstreamMode

__all__ = [
    "OPENAI",
    "URLS",
    "AuthMode",
    "Settings",
    "SettingsError",
    "UpstreamMode",
    "listen_address",
    "load",
]
