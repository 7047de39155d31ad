"""Sends requests with trailers through a proxy: python deploy/trailers.py PROXY_PORT GATEWAY_PORT

The gateway is told that they come from elsewhere (X-Forwarded-For in the head). A trailer says that they come
from this machine, or carries a key: neither may count, however the bytes are cut.
"""

import json
import socket
import sys
import urllib.request


def status(port: int, *pieces: bytes) -> int:
    """The status of the answer to a request that is sent in these pieces."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as wire:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            wire.sendall(piece)
        answer = b""
        while b"\r\n\r\n" not in answer:
            piece = wire.recv(65_536)
            if not piece:
                raise SystemExit(f"trailers: the connection ended: {answer!r}")
            answer += piece
    return int(answer[9:12])


def refused(port: int, path: str, body: bytes, trailer: bytes, headers: bytes = b"") -> None:
    """Ends the check where a trailer lets the request in."""
    head = b"POST %b HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n" % path.encode()
    head += headers + b"Transfer-Encoding: chunked\r\n\r\n"
    chunk = b"%x\r\n%b\r\n" % (len(body), body)
    last = b"0\r\n" + trailer + b"\r\n\r\n"
    for pieces in ((head + chunk + last,), (head, chunk + last), (head + chunk, last), (head, chunk, last)):
        found = status(port, *pieces)
        if found not in (401, 403):
            name = trailer.partition(b":")[0].decode()
            raise SystemExit(f"trailers: {name} got {path} {found} in {len(pieces)} writes")


def main() -> None:
    """Asks the gateway itself for a key, which only this machine may, then tries everything."""
    proxy, gateway = int(sys.argv[1]), int(sys.argv[2])
    asked = urllib.request.Request(
        f"http://127.0.0.1:{gateway}/keys/generate", b"{}", {"content-type": "application/json"}
    )
    with urllib.request.urlopen(asked) as answer:
        token = json.load(answer)["token"].encode()
    for trailer in (b"X-Forwarded-For: 127.0.0.1", b"Forwarded: for=127.0.0.1", b"X-Real-IP: 127.0.0.1"):
        refused(proxy, "/keys/generate", b"{}", trailer)
    call = b'{"model": "demo", "input": "Hi"}'
    for trailer in (b"Authorization: Bearer " + token, b"X-Api-Key: " + token, b"Api-Key: " + token):
        refused(proxy, "/v1/responses", call, trailer)
        refused(gateway, "/v1/responses", call, trailer)


if __name__ == "__main__":
    main()
