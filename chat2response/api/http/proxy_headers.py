"""Headers that proxies, load balancers, CDNs and tunnels add, in lower case.

Headers of the first kind name the client, or say that the request is forwarded for one. Headers of the second
kind only show that the request came through a proxy; some clients send them too, for tracing.
"""

_CLIENT_HEADERS = frozenset(
    {
        b"ali-cdn-real-ip",
        b"cf-connecting-ip",
        b"cf-connecting-ipv6",
        b"cf-pseudo-ipv4",
        b"client-ip",
        b"do-connecting-ip",
        b"fastly-client-ip",
        b"fly-client-ip",
        b"forwarded",
        b"forwarded-for",
        b"http-client-ip",
        b"http-x-forwarded-for",
        b"incap-client-ip",
        b"proxy-client-ip",
        b"true-client-ip",
        b"via",
        b"wl-proxy-client-ip",
        b"x-appengine-remote-addr",
        b"x-appengine-user-ip",
        b"x-azure-clientip",
        b"x-azure-socketip",
        b"x-client-ip",
        b"x-cluster-client-ip",
        b"x-coming-from",
        b"x-envoy-external-address",
        b"x-nf-client-connection-ip",
        b"x-original-forwarded-for",
        b"x-original-host",
        b"x-originating-ip",
        b"x-proxyuser-ip",
        b"x-real-ip",
        b"x-remote-addr",
        b"x-remote-ip",
        b"x-sucuri-clientip",
        b"x-true-client-ip",
        b"x-vercel-forwarded-for",
        b"x-via",
    }
)
_CLIENT_PREFIXES = (b"x-forwarded",)

_TRACES = frozenset(
    {
        b"front-end-https",
        b"max-forwards",
        b"proxy-connection",
        b"x-cloud-trace-context",
        b"x-host",
        b"x-https",
        b"x-queue-start",
        b"x-request-start",
        b"x-scheme",
        b"x-url-scheme",
        b"x-varnish",
    }
)
_TRACE_PREFIXES = (
    b"akamai-",
    b"cdn-",
    b"cf-",
    b"cloudfront-",
    b"fastly-",
    b"fly-",
    b"incap-",
    b"ngrok-",
    b"proxy-",
    b"tailscale-",
    b"true-client-",
    b"wl-proxy-",
    b"x-accel-",
    b"x-akamai-",
    b"x-ali-",
    b"x-amz-cf-",
    b"x-amzn-",
    b"x-appengine-",
    b"x-arr-",
    b"x-azure-",
    b"x-bluecoat-",
    b"x-cdn",
    b"x-cluster-",
    b"x-edge-",
    b"x-envoy-",
    b"x-fastly-",
    b"x-goog-",
    b"x-haproxy",
    b"x-iisnode-",
    b"x-lb-",
    b"x-nf-",
    b"x-nginx-",
    b"x-ngrok-",
    b"x-original-",
    b"x-proxy",
    b"x-rewrite-",
    b"x-squid",
    b"x-sucuri-",
    b"x-tencent-",
    b"x-vercel-",
    b"x-waf-",
)


def names_client(name: bytes) -> bool:
    """Whether a proxy adds this header to name its client."""
    return name in _CLIENT_HEADERS or name.startswith(_CLIENT_PREFIXES)


def is_proxy_header(name: bytes) -> bool:
    """Whether this header shows that a request came through a proxy."""
    return names_client(name) or name in _TRACES or name.startswith(_TRACE_PREFIXES)
