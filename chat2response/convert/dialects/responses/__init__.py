"""The Responses API: the hub's own language, so that reading checks and writing leaves fields out.

Streams and responses of other servers are read leniently here; our own are made in `convert/writer/`.
"""
