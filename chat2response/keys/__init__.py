"""API keys: tokens, records, and the ring that checks them. passlib loads with the first check."""

from chat2response.keys.actor import Actor
from chat2response.keys.audit import Audit
from chat2response.keys.book import KeyBook
from chat2response.keys.policy import UNSET, KeyPolicy, Unset
from chat2response.keys.record import ApiKey, Issued
from chat2response.keys.ring import EXPIRED, INVALID, MISSING, REVOKED, KeyRing
from chat2response.keys.token import Token, new_token
from chat2response.keys.use import KeyUse

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
    "KeyBook",
    "KeyPolicy",
    "KeyRing",
    "KeyUse",
    "Token",
    "Unset",
    "new_token",
]
