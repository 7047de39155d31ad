"""The base of small values that are created for each delta: msgspec creates them without a Python call."""

from msgspec import Struct
from msgspec.structs import replace

__all__ = ["Struct", "replace"]
