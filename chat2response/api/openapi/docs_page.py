"""The `/docs` page: renders the OpenAPI document as HTML.

The page loads nothing, so it works without a network, and no foreign script shares an origin with the admin
plane.
"""

import re
from collections.abc import Iterator, Mapping
from html import escape
from shlex import quote
from typing import Any

from chat2response.api.openapi.components import JSON_TYPE
from chat2response.wire.json import encode

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}
code,pre{font:14px/1.4 ui-monospace,monospace}
pre{background:#f4f4f4;padding:.7rem;white-space:pre-wrap;overflow-wrap:anywhere}
h2 b{display:inline-block;min-width:4rem;color:#06c}
h2{font-size:1.1rem;margin-top:2.5rem}
.note{color:#666}
"""


_DEFAULT_BASE = "http://localhost:8088"
_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?")


def base_of(scheme: str | None, host: str | None) -> str:
    """The URL at which the reader reached the gateway, for the examples; a default if `Host` is invalid."""
    if host is None or not _HOST.fullmatch(host):
        return _DEFAULT_BASE
    return f"{'https' if scheme == 'https' else 'http'}://{host}"


def page(document: Mapping[str, Any], base: str = _DEFAULT_BASE) -> str:
    """The whole page. `base`: the URL that the examples call."""
    info = document["info"]
    title = escape(f"{info['title']} {info['version']}")
    operations = (
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )
    return "".join(
        (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width">',
            f"<title>{title}</title><style>{_STYLE}</style></head><body><h1>{title}</h1>",
            *(f"<p>{escape(part)}</p>" for part in info["description"].split("\n\n")),
            '<p>Machine-readable: <a href="/openapi.json">/openapi.json</a></p>',
            *(line for each in operations for line in _operation(*each, base)),
            "</body></html>",
        )
    )


def _operation(method: str, path: str, operation: Mapping[str, Any], base: str) -> Iterator[str]:
    name = escape(operation["operationId"])
    yield f'<h2 id="{name}"><b>{method.upper()}</b> <code>{escape(path)}</code></h2>'
    yield f"<p>{escape(operation['summary'])}. {escape(operation.get('description', ''))}</p>"
    if schemes := sorted({scheme for each in operation["security"] for scheme in each}):
        yield _note(f"Token: {' or '.join(schemes)}")
    for each in operation.get("parameters", ()):
        yield f"<p><code>{escape(each['name'])}</code> ({each['in']}): {escape(each['description'])}</p>"
    content = operation.get("requestBody", {}).get("content", {}).get(JSON_TYPE, {})
    for label, example in content.get("examples", {}).items():
        yield _note(label)
        yield f"<pre>{escape(_command(base + path, operation, example['value']))}</pre>"
    yield _note("Responses: " + ", ".join(operation["responses"]))


def _note(text: str) -> str:
    return f'<p class="note">{escape(text)}</p>'


def _command(url: str, operation: Mapping[str, Any], value: Any) -> str:
    """The example as a shell command."""
    key = ' -H "Authorization: Bearer $KEY"' if {"apiKey": []} in operation["security"] else ""
    body = quote(encode(value).decode())
    return f"curl -N {url}{key} \\\n  -H 'Content-Type: application/json' -d {body}"
