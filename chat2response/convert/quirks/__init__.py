"""Describes how Chat backends differ, as data: the type `Quirks`, and a profile for each known backend.

Nothing is converted here. The converters in `convert/dialects/` read these values.
"""
