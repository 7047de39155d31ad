"""The server process: the HTTP protocol and its limits, listeners, workers, signals, logs, bootstrap.

Commands live in `cli/`, the ASGI application in `app.py`.
"""
