"""The tools of a request toward a Chat backend, and the way back from a call to the client's own tool.

Which calls a stream's deltas belong to is decided in `answer/`.
"""
