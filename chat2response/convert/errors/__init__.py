"""Errors that upstreams send, turned into the one shape of both OpenAI APIs, and their codes.

Our own error tree lives in `chat2response/errors.py`.
"""
