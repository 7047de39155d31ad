"""Sends requests with trailers through a proxy: python deploy/trailers.py PROXY_PORT GATEWAY_PORT

The proxy sets X-Forwarded-For to another address. A trailer claims that the request comes from this machine,
or carries a key. The gateway must ignore the trailer, however the bytes are split.
"""

import json
import socket
import sys
import urllib.request


def status(port: int, *pieces: bytes) -> int:
    """Sends a request in these pieces, and returns the status of the response."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            connection.sendall(piece)
        answer = b""
        while b"\r\n\r\n" not in answer:
            piece = connection.recv(65_536)
            if not piece:
                raise SystemExit(f"trailers: the connection closed: {answer!r}")
            answer += piece
    return int(answer[9:12])


def check_refused(port: int, path: str, body: bytes, trailer: bytes, headers: bytes = b"") -> None:
    """Exits with an error if the trailer lets the request in."""
    head = b"POST %b HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n" % path.encode()
    head += headers + b"Transfer-Encoding: chunked\r\n\r\n"
    chunk = b"%x\r\n%b\r\n" % (len(body), body)
    last = b"0\r\n" + trailer + b"\r\n\r\n"
    for pieces in ((head + chunk + last,), (head, chunk + last), (head + chunk, last), (head, chunk, last)):
        code = status(port, *pieces)
        if code not in (401, 403):
            name = trailer.partition(b":")[0].decode()
            raise SystemExit(f"trailers: {path} with {name} returned {code} (in {len(pieces)} writes)")


def main() -> None:
    """Creates a key at the gateway itself, which only this machine may do, then tries every trailer."""
    proxy, gateway = int(sys.argv[1]), int(sys.argv[2])
    request = urllib.request.Request(
        f"http://127.0.0.1:{gateway}/keys/generate", b"{}", {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request) as response:
        token = json.load(response)["token"].encode()
    for trailer in (b"X-Forwarded-For: 127.0.0.1", b"Forwarded: for=127.0.0.1", b"X-Real-IP: 127.0.0.1"):
        check_refused(proxy, "/keys/generate", b"{}", trailer)
    call = b'{"model": "demo", "input": "Hi"}'
    for trailer in (b"Authorization: Bearer " + token, b"X-Api-Key: " + token, b"Api-Key: " + token):
        check_refused(proxy, "/v1/responses", call, trailer)
        check_refused(gateway, "/v1/responses", call, trailer)


if __name__ == "__main__":
    main()
