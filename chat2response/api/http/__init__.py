"""What each endpoint needs of HTTP: requests, bodies, errors as answers, disconnects, CORS, encodings.

No endpoint lives here, and no authentication.
"""
