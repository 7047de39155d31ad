"""The only reader of the environment: variables, and a `.env` file, become options of each floor.

Read once, at start (law 13). A `CHAT2RESPONSE_*` variable that is not known is an error, which names the one
that is meant where one is near; those an orchestrator injects for a service of our name
(`CHAT2RESPONSE_SERVICE_*`, `CHAT2RESPONSE_PORT*`) are let be. A name that is nearly another's is a warning.
"""

from chat2response.settings.load import load
from chat2response.settings.model import OPENAI, Settings
from chat2response.settings.values import AuthMode, SettingsError, UpstreamMode, listen_address

__all__ = ["OPENAI", "AuthMode", "Settings", "SettingsError", "UpstreamMode", "listen_address", "load"]
