"""The fields of a Chat request, both ways, and their fit to one backend's quirks.

Messages live in `history/`, tool definitions in `tools/`.
"""
