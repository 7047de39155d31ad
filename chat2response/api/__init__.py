"""The HTTP face: authenticate, read the body within bounds, call the engine, send its answer.

Hot endpoints are plain ASGI callables; the rest is FastAPI. Sockets and processes live in `server/`.
"""
