"""Builds the running parts from the settings: the options of each folder, and `compose`, which joins them.

The variables and their checks live in `settings/`. Commands and servers use the parts that are built here.
"""

from chat2response.compose.checked_settings import CheckedSettings, load
from chat2response.compose.services import (
    Services,
    compose,
    ensure_admin_token,
    ensure_seal_keys,
    package_version,
)

__all__ = [
    "CheckedSettings",
    "Services",
    "compose",
    "ensure_admin_token",
    "ensure_seal_keys",
    "load",
    "package_version",
]
