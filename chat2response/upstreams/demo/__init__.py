"""The built-in demo upstream: no network, no model, always the same answer.

Upstreams over HTTP live in `upstreams/`.
"""
