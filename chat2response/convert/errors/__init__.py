"""Reads the errors of upstreams, whatever their form, and finds the code that clients act on.

The gateway's own errors are not here: they live in `chat2response/errors.py`.
"""
