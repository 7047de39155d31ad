"""API keys: their records, their lifecycle, verification and revocation, and the audit log.

`quota/` counts what a key uses; HTTP endpoints live in `api/management/`, commands in `cli/keys/`.
passlib is imported when the first token is verified.
"""

from chat2response.keys.actor import Actor
from chat2response.keys.audit import Audit
from chat2response.keys.expiry_policy import UNSET, KeyPolicy, Unset
from chat2response.keys.last_used import LastUsedTracker
from chat2response.keys.record import ApiKey, IssuedKey
from chat2response.keys.repository import KeyRepository
from chat2response.keys.service import KeyService
from chat2response.keys.tokens.token import Token, new_token
from chat2response.keys.verifier import EXPIRED, INVALID, MISSING, REVOKED, KeyVerifier

__all__ = [
    "EXPIRED",
    "INVALID",
    "MISSING",
    "REVOKED",
    "UNSET",
    "Actor",
    "ApiKey",
    "Audit",
    "IssuedKey",
    "KeyPolicy",
    "KeyRepository",
    "KeyService",
    "KeyVerifier",
    "LastUsedTracker",
    "Token",
    "Unset",
    "new_token",
]
