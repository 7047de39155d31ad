"""The functions and stream machines that a library user calls. They take and return plain dicts and bytes.

Their signatures are public. The conversion itself lives in `convert/dialects/`.
"""
