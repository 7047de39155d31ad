"""From settings to running parts: builders of each floor's options, and `compose`, which joins the parts.

What a variable may hold lives in `settings/`; commands and servers use the parts that are built here.
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
