"""The functions and stream machines that a library user calls: plain dicts and bytes in, the same out.

Their signatures are public. The work is done in `convert/dialects/`.
"""
