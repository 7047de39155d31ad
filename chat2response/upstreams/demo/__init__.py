"""The built-in demo upstream: no network, no model, the same answer every time.

Upstreams over HTTP live in `upstreams/`.
"""
