"""The base of values that are created for each call or delta: msgspec creates them without a Python call."""

from msgspec import Struct, field
from msgspec.structs import replace

__all__ = ["Struct", "field", "replace"]
