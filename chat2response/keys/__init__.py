"""API keys: their records, what can be done to them, their verification and revocation, and the audit.

What a key may use is counted in `quota/`; HTTP endpoints live in `api/management/`, commands in `cli/keys/`.
passlib loads with the first check of a token.
"""

from chat2response.keys.actor import Actor
from chat2response.keys.audit import Audit
from chat2response.keys.expiry_policy import UNSET, KeyPolicy, Unset
from chat2response.keys.last_used import LastUsedTracker
from chat2response.keys.record import ApiKey, Issued
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
    "Issued",
    "KeyPolicy",
    "KeyService",
    "KeyVerifier",
    "LastUsedTracker",
    "Token",
    "Unset",
    "new_token",
]
