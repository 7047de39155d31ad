"""A key that administers keys gives away no more than it has: not in scopes, limits, or time."""

import re
from collections.abc import Sequence
from dataclasses import fields
from fnmatch import fnmatchcase

from chat2response.errors import Forbidden
from chat2response.keys.actor import Actor
from chat2response.keys.grants import Grants, Network, grants_of
from chat2response.keys.limits import KeyLimits
from chat2response.keys.record import ApiKey

CODE = "wider_than_own_key"

# The kind of each field of Grants, as scopes write it.
_KINDS = {"endpoints": "endpoint", "models": "model", "upstreams": "upstream", "tools": "tool", "nets": "net"}
_GLOBS = ("models", "tools")

# A set of characters counts as one piece of a pattern.
_PIECES = re.compile(r"\[!?\]?[^\]]*\]|.", re.DOTALL)


def check_within(actor: Actor, made: ApiKey) -> None:
    """Raises Forbidden where `made` may do, spend, or live more than the key that acts."""
    if actor.key is None:
        return
    check_end(actor, made.expires_at)
    check_rights(actor, made)


def check_rights(actor: Actor, made: ApiKey) -> None:
    """Raises Forbidden where `made` may do or spend more than the key that acts."""
    if actor.key is None:
        return
    scope = wider_grant(grants_of(made.scopes), grants_of(actor.key.scopes))
    if scope is not None:
        raise Forbidden(
            f"A key cannot grant what it does not have: its own scopes do not cover '{scope}'.",
            code=CODE,
            param="scopes",
        )
    own = actor.key.limits or KeyLimits()
    limit = (made.limits or KeyLimits()).wider_than(own)
    if limit is not None:
        raise Forbidden(
            "A key cannot allow more than it may itself: "
            f"limits.{limit} must be at most {getattr(own, limit)}.",
            code=CODE,
            param=f"limits.{limit}",
        )


def check_end(actor: Actor, end: int | None) -> None:
    """Raises Forbidden where a key would outlive the key that acts."""
    own = actor.key.expires_at if actor.key is not None else None
    if own is not None and (end is None or end > own):
        raise Forbidden(
            f"A key cannot make another outlive itself: expires_at must be at most {own}.",
            code=CODE,
            param="expires_at",
        )


def wider_grant(asked: Grants, own: Grants) -> str | None:
    """The first grant in which `asked` allows more than `own`; None where it never does.

    A kind that `own` restricts and `asked` does not is told as `<kind>:*`.
    """
    for name, kind in _KINDS.items():
        held, wanted = getattr(own, name), getattr(asked, name)
        if held is None:
            continue
        if wanted is None:
            return f"{kind}:*"
        for value in wanted:
            if not _covered(name, value, held):
                return f"{kind}:{value}"
    return next((f"admin:{what}" for what in asked.admin if not own.allows_admin(what)), None)


def _covered(name: str, value: str | Network, held: Sequence[str | Network]) -> bool:
    """Whether one of `held` grants all that `value` grants. Rather no than wrongly yes."""
    if isinstance(value, str):
        wide = [each for each in held if isinstance(each, str)]
        return value in wide or (name in _GLOBS and any(glob_covers(each, value) for each in wide))
    return any(
        not isinstance(each, str) and each.version == value.version and value.subnet_of(each)  # type: ignore[arg-type]
        for each in held
    )


def glob_covers(wide: str, narrow: str) -> bool:
    """Whether `wide` matches all that `narrow` matches, as fnmatch reads both.

    What is wild in `narrow` must fall to a wild part of `wide`; a `wide` with a set in it covers plain names.
    """
    if "[" in wide:
        return not any(sign in narrow for sign in "*?[") and fnmatchcase(narrow, wide)
    asked = _PIECES.findall(narrow)
    reached = {0}  # the places of `asked` to which the pieces of `wide` read so far can lead
    for piece in wide:
        if piece == "*":
            reached = set(range(min(reached), len(asked) + 1)) if reached else reached
        else:
            reached = {at + 1 for at in reached if at < len(asked) and _piece_covers(piece, asked[at])}
    return len(asked) in reached


def _piece_covers(piece: str, asked: str) -> bool:
    return asked != "*" if piece == "?" else asked == piece and asked != "?"


assert set(_KINDS) | {"admin"} == {field.name for field in fields(Grants)}, "a kind of grant without a rule"
