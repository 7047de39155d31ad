"""Masks the gateway's secrets in the bytes of an error."""

from chat2response.upstreams.base import Target
from chat2response.upstreams.error_responses import mask


def masked(data: bytes, target: Target) -> bytes:
    """`data` without secrets."""
    text = data.decode("utf-8", "surrogateescape")  # keeps bytes that are not UTF-8
    return mask(text, target).encode("utf-8", "surrogateescape")
