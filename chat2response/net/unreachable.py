"""Why no connection to an upstream, or to the proxy before it, could be made, and what to check.

The words are public, so no address is in them; the log gets the address and the system's own error.
"""

import errno
import re
import socket
import ssl

from chat2response.errors import UpstreamUnreachable
from chat2response.net.endpoint import Place
from chat2response.net.proxies import Proxy

_ERRNO = re.compile(r"\[Errno (\d+)\]")
_OTHER_HOST = (62, 64)  # OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH
_PLAIN = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"})
"""OpenSSL's reasons where the bytes that came are no TLS at all."""


def unreachable(error: Exception, there: Place | Proxy) -> UpstreamUnreachable:
    """The error of the call. `error`: what connecting, or TLS, to `there` raised."""
    proxy = isinstance(there, Proxy)
    who, setting = ("outbound proxy", "the proxy's URL") if proxy else ("upstream", "OPENAI_BASE_URL")
    address = str(there) if isinstance(there, Proxy) else there.authority
    return UpstreamUnreachable(_words(error, who, setting), internal=f"{address}: {error!r}")


def _words(error: Exception, who: str, setting: str) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _untrusted(error, who)
    if isinstance(error, ssl.SSLError):
        if error.reason in _PLAIN:
            return (
                f"The {who} does not speak TLS at this port. If it is a plain HTTP server, write http:// in "
                f"{setting}."
            )
        return f"The TLS handshake with the {who} failed ({error.reason or 'no reason given'})."
    if isinstance(error, socket.gaierror | UnicodeError):  # a name that IDNA does not allow
        return f"The host name of the {who} cannot be resolved (DNS). Check {setting}."
    match _number(error):
        case errno.ECONNREFUSED:
            return (
                f"The {who} refused the connection: no server listens at this port. Check that it runs, and "
                f"check {setting}."
            )
        case errno.ENETUNREACH | errno.EHOSTUNREACH:
            return f"There is no network route to the {who}. Check {setting}."
        case errno.EMFILE | errno.ENFILE:
            return (
                f"The gateway has too many open files to connect to the {who}. Raise its limit (ulimit -n)."
            )
    if isinstance(error, ConnectionError):
        return f"The {who} closed the connection while it was being made."
    return f"The {who} cannot be reached."


def _untrusted(error: ssl.SSLCertVerificationError, who: str) -> str:
    if error.verify_code in _OTHER_HOST:  # its own message names the host
        return f"The certificate of the {who} is for another host name."
    return (
        f"The certificate of the {who} is not trusted ({error.verify_message}). If your own CA signed it, "
        "name the CA's file in CHAT2RESPONSE_CA_FILE."
    )


def _number(error: Exception) -> int | None:
    """The `errno`; that of the first attempt, where a name has several addresses and all of them failed."""
    if not isinstance(error, OSError):
        return None
    if error.errno is not None:
        return error.errno
    found = _ERRNO.search(str(error))
    return int(found[1]) if found else None
