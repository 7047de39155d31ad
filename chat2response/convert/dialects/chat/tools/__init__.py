"""Converts the tools of a request for a Chat backend, and the backend's calls back into those of the client.

`answer/` decides which call a delta of a stream belongs to.
"""
