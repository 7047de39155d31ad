"""The HTTP API: authenticates, reads the body within limits, calls the engine, and sends its answer.

Hot endpoints are plain ASGI callables; the others use FastAPI. Sockets and processes live in `server/`.
"""
