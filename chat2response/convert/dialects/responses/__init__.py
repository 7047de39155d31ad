"""The Responses API, which is the hub's own language: reading a request checks it, writing one omits fields.

Streams and responses of upstreams are read leniently here; `convert/writer/` builds the gateway's own.
"""
