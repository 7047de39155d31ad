"""The conversion library: requests and answers from one dialect into the hub, and out of it into another.

It is pure: no I/O, no clock and no randomness of its own. What asks an upstream lives in `engine/` and
`upstreams/`; bytes and JSON live in `wire/`.
"""
