"""The headers of an HTTP message: bytes, in order, a name as often as it is sent."""

HeaderList = list[tuple[bytes, bytes]]
"""Names and values. As received, names have the sender's case; in ASGI they are in lower case."""
