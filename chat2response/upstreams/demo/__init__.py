"""The built-in demo upstream: a Chat Completions server without a network or a model, behind the seam of
`net/transport.py`.

`transport.py` feeds the answer to its reader, `server.py` makes it from a request's bytes, `script.py` writes
what the model says.
"""
