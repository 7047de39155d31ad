"""Converts the fields of a Chat request in both directions and adapts them to a backend's quirks.

Messages live in `history/`, tool definitions in `tools/`.
"""
