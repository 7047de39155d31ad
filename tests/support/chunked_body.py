"""Reads the body of a chunked HTTP/1.1 response from all the bytes of a connection."""


def chunked_body(wire: bytes) -> bytes:
    """The body, without the framing of its chunks."""
    body, rest = b"", wire.partition(b"\r\n\r\n")[2]
    while rest:
        length, _, rest = rest.partition(b"\r\n")
        size = int(length, 16)
        body, rest = body + rest[:size], rest[size + 2 :]
    return body


def is_complete(wire: bytes) -> bool:
    """Whether the response has its end."""
    return wire.endswith(b"\r\n0\r\n\r\n")
