"""A key's secret: the token that a client presents, its hash, the peppers, and the cache of verified tokens.

The key's record (owner, limits, expiry) lives in `keys/`.
"""
