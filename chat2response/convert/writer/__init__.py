"""Builds responses: the `Writer` protocol, `ResponseWriter`, which creates all events, and its wrappers.

Readers of upstream answers and encoders of events are not here: they live in `convert/dialects/`.
"""
