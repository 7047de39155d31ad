"""`GatewayKeys`: a KeyAdmin that calls the admin plane of a gateway on this machine.

Used if the shell's settings name no existing store: the keys are in memory, or the gateway runs in another
folder.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

from chat2response.api.management.responses import WARNING
from chat2response.cli.keys.key_admin import Document
from chat2response.errors import BridgeError
from chat2response.keys import UNSET
from chat2response.keys.tokens.token import is_key_id
from chat2response.server.bootstrap import local_url
from chat2response.server.start_options import CannotStart
from chat2response.settings import Settings
from chat2response.wire.json import JSONError, decode, encode

_TIMEOUT = 30.0  # seconds
_DISCOVERY_TIMEOUT = 10.0  # seconds; a gateway loads modules at its first request


class GatewayKeys:
    """`url`: the gateway's admin plane.

    `store`: the address of its key store, None if it does not report it.
    """

    def __init__(self, http: httpx.AsyncClient, url: str, store: str | None) -> None:
        self._http = http
        self.url = url
        self.store = store
        self.warnings: list[str] = []

    async def generate(self, **params: Any) -> Document:
        """`POST /keys/generate`."""
        return await self._post("generate", _body(params))

    async def list_all(self) -> list[Document]:
        """`GET /keys`."""
        keys: list[Document] = await self._request("GET", "/keys")
        return keys

    async def page(self, filters: Mapping[str, Any], *, cursor: str | None, limit: int) -> Document:
        """`GET /keys` with parameters."""
        params = {**filters, "cursor": cursor, "limit": limit}
        query = {name: str(value) for name, value in params.items() if value is not None}
        page: Document = await self._request("GET", "/keys", params=query)
        return page

    async def show(self, id: str) -> Document | None:
        """`GET /keys/{id}`."""
        return await self._request_key("GET", f"/keys/{id}") if is_key_id(id) else None

    async def revoke(self, id: str) -> Document:
        """`POST /keys/revoke`."""
        return await self._post("revoke", {"id": id})

    async def set_expiration(self, id: str, **expiration: Any) -> Document | None:
        """`POST /keys/set_expiration`."""
        answer = await self._post("set_expiration", _body({"id": id, **expiration}))
        return answer if answer["updated"] else None

    async def rotate(self, id: str, *, grace_seconds: int, force: bool) -> Document | None:
        """`POST /keys/rotate`."""
        body = {"id": id, "grace_seconds": grace_seconds, "force": force}
        return await self._request_key("POST", "/keys/rotate", body)

    async def update(self, id: str, **fields: Any) -> Document | None:
        """`POST /keys/update`."""
        return await self._request_key("POST", "/keys/update", {"id": id, **fields})

    async def count_dead(self, older_than: int) -> int | None:
        """None: no endpoint counts dead keys."""
        return None

    async def purge(self, older_than: int, *, limit: int) -> tuple[int, bool]:
        """`POST /keys/purge`."""
        answer = await self._post("purge", {"older_than_seconds": older_than, "limit": limit})
        return answer["purged"], answer["more"]

    async def _post(self, path: str, body: Mapping[str, Any]) -> Document:
        answer: Document = await self._request("POST", f"/keys/{path}", body)
        return answer

    async def _request_key(self, method: str, path: str, body: Any = None) -> Document | None:
        try:
            answer: Document = await self._request(method, path, body)
        except BridgeError as error:
            if error.code == "unknown_key":
                return None
            raise
        return answer

    async def _request(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """The document of the answer.

        Raises BridgeError with the gateway's message, CannotStart without one.
        """
        content = None if body is None else encode(body)
        try:
            answer = await self._http.request(method, path, content=content, **more)
        except httpx.HTTPError as error:
            raise CannotStart(f"The gateway at {self.url} did not answer ({type(error).__name__}).") from None
        if answer.headers.get(WARNING):
            self.warnings.append(answer.headers[WARNING])
        document = _document(answer)
        if answer.status_code == 200:
            return document
        raise self._error(answer.status_code, document)

    def _error(self, status: int, document: Any) -> Exception:
        error = document.get("error") if isinstance(document, dict) else None
        fields = error if isinstance(error, dict) else {"message": f"status {status}"}
        text = f"The gateway at {self.url} answered: {fields.get('message')}"
        if status >= 500 or fields is not error:
            return CannotStart(text)
        return BridgeError(text, status=status, code=fields.get("code"))


@asynccontextmanager
async def running_gateway(settings: Settings) -> AsyncIterator[GatewayKeys | None]:
    """The gateway that answers at the address of these settings, or None."""
    url = local_url(settings)
    admin_token = settings.chat2response_admin_token
    headers = {"content-type": "application/json"}
    if url is None:
        yield None
        return
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=_TIMEOUT) as http:
        try:
            status = _document(await http.get("/status", timeout=_DISCOVERY_TIMEOUT))
        except (httpx.HTTPError, httpx.InvalidURL):
            status = None
        if not isinstance(status, dict) or status.get("name") != "chat2response":
            yield None
            return
        if admin_token is not None:  # sent only after /status identified a chat2response gateway
            headers["x-admin-token"] = admin_token.get_secret_value().strip()
        http.headers.update(headers)
        details = status.get("details")
        yield GatewayKeys(http, url, details.get("store") if isinstance(details, dict) else None)


def _body(params: Mapping[str, Any]) -> Document:
    """The request body: without unset parameters, but with explicit nulls."""
    return {
        name: value
        for name, value in params.items()
        if value is not UNSET and not (name == "ttl_seconds" and value is None)
    }


def _document(answer: httpx.Response) -> Any:
    try:
        return decode(answer.content)
    except JSONError:
        return None
