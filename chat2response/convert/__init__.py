"""Converts requests and answers between dialects, always by way of the hub (`HubRequest`, `Response`).

Everything here is pure: no I/O, no clock and no randomness of its own. Calls to upstreams are not here
(`engine/`, `upstreams/`), nor are framing and JSON (`wire/`).
"""
