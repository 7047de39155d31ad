"""The HTTP layer that all endpoints share: requests, bodies, error responses, disconnects, CORS, encodings.

No endpoint and no authentication lives here.
"""
