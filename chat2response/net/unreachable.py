"""Explains why connecting to an upstream or its proxy failed, and what to check.

The messages are public and name no address; the log gets the address and the system's error.
"""

import errno
import re
import socket
import ssl

from chat2response.errors import UpstreamUnreachable
from chat2response.net.endpoint import Endpoint
from chat2response.net.proxies import Proxy

_ERRNO = re.compile(r"\[Errno (\d+)\]")
_OTHER_HOST = (62, 64)  # OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH
_PLAIN = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"})
"""OpenSSL's reasons for bytes that are not TLS."""


def unreachable(error: Exception, peer: Endpoint | Proxy) -> UpstreamUnreachable:
    """The error of a call. `error`: what connecting to `peer`, or its TLS handshake, raised."""
    proxy = isinstance(peer, Proxy)
    who, setting = ("outbound proxy", "the proxy's URL") if proxy else ("upstream", "OPENAI_BASE_URL")
    address = str(peer) if isinstance(peer, Proxy) else peer.authority
    return UpstreamUnreachable(_message(error, who, setting), internal=f"{address}: {error!r}")


def _message(error: Exception, who: str, setting: str) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _untrusted(error, who)
    if isinstance(error, ssl.SSLError):
        if error.reason in _PLAIN:
            return (
                f"The {who} does not speak TLS at this port. If it is a plain HTTP server, write http:// in "
                f"{setting}."
            )
        return f"The TLS handshake with the {who} failed ({error.reason or 'no reason given'})."
    if isinstance(error, socket.gaierror | UnicodeError):  # UnicodeError: a name that IDNA does not allow
        return f"The host name of the {who} cannot be resolved (DNS). Check {setting}."
    match _errno(error):
        case errno.ECONNREFUSED:
            return (
                f"The {who} refused the connection: no server listens on this port. Check that it runs, and "
                f"check {setting}."
            )
        case errno.ENETUNREACH | errno.EHOSTUNREACH:
            return f"There is no network route to the {who}. Check {setting}."
        case errno.EMFILE | errno.ENFILE:
            return (
                f"The gateway has too many open files to connect to the {who}. Raise its limit (ulimit -n)."
            )
    if isinstance(error, ConnectionError):
        return f"The {who} closed the connection during setup."
    return f"The {who} cannot be reached."


def _untrusted(error: ssl.SSLCertVerificationError, who: str) -> str:
    if error.verify_code in _OTHER_HOST:  # OpenSSL's message names the host
        return f"The certificate of the {who} is for another host name."
    return (
        f"The certificate of the {who} is not trusted ({error.verify_message}). If your own CA signed it, "
        "name the CA's file in CHAT2RESPONSE_CA_FILE."
    )


def _errno(error: Exception) -> int | None:
    """The `errno`; of the first attempt if a name has several addresses and all failed."""
    if not isinstance(error, OSError):
        return None
    if error.errno is not None:
        return error.errno
    match = _ERRNO.search(str(error))
    return int(match[1]) if match else None
