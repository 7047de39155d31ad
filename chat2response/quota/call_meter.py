"""Meters one call: admits it before the upstream is called, and settles its usage before the answer ends.

The client sees the end of the answer only after the settlement, since it may send its next request at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from chat2response.errors import UpstreamError
from chat2response.keys.grants import grants_of
from chat2response.keys.last_used import LastUsedTracker
from chat2response.keys.record import ApiKey
from chat2response.quota.admission import Admission, Grant
from chat2response.quota.answer_usage import (
    answer_tokens,
    estimated_usage,
    nonzero_usage,
    output_tokens,
    reported_usage,
    still_running,
    usage_of,
)
from chat2response.quota.request_estimate import estimate_input, estimate_request
from chat2response.quota.usage_log import UsageLog
from chat2response.upstreams.base import Target
from chat2response.wire.fault import Fault
from chat2response.wire.headers import HeaderList
from chat2response.wire.large_documents import is_large, run_in_thread, run_in_thread_if
from chat2response.wire.responses import RUNNING, Response, Usage

_RATE_LIMIT_PREFIX = b"x-ratelimit-"


@dataclass(frozen=True, slots=True)
class Meters:
    """What all calls of a process share: admission, the usage log, and the use of keys."""

    admission: Admission
    usage: UsageLog
    key_use: LastUsedTracker

    def start(self) -> None:
        """Starts the background tasks."""
        self.admission.start()
        self.usage.write_behind.start()
        self.key_use.write_behind.start()

    async def close(self) -> None:
        """Stops the background tasks, and writes what is pending."""
        await self.admission.close()
        await self.usage.write_behind.close()
        await self.key_use.write_behind.close()


class MeteredStream(Protocol):
    """A stream whose usage is settled before its end passes."""

    @property
    def usage(self) -> Usage | None: ...

    @property
    def deltas(self) -> int:
        """The approximate number of output deltas, for upstreams that report no usage."""
        ...


class CallMeter:
    """The meter of one call. With `tenant` None nothing is recorded, since the caller is unknown."""

    def __init__(self, meters: Meters, key: ApiKey | None, tenant: str | None, target: Target) -> None:
        self._meters = meters
        self._key = key
        self._tenant = tenant
        self._target = target
        self._grant: Grant | None = None
        self._model = ""
        self._body = b""
        self._input_tokens = 0  # of a body that has been released
        self._calls = 1  # of the upstream, each of which reads the input
        self._background = False
        self._settled = tenant is None
        self.upstream_called = False
        """Whether the upstream was called: from then on the input counts, even if the client disconnects."""
        self._error_usage: Usage | None = None  # reported with the upstream's error
        self._still_running = False  # at the upstream, although the client gets an error

    @property
    def needs_body(self) -> bool:
        """Whether limits or scopes of the key depend on the body; other bodies are relayed unread."""
        key = self._key
        if key is None or (key.limits is None and not key.scopes):
            return False
        return key.limits is not None or grants_of(key.scopes).restrict_body

    async def admit(self, body: bytes, fields: Mapping[str, Any], calls: int = 1) -> None:
        """Admits the call. `fields`: the decoded body, or only `model` unless `needs_body`.

        `calls`: the number of calls of the upstream. Raises what Admission.enter raises.
        """
        model = fields.get("model")
        self._model = model if type(model) is str else ""
        self._body = body
        self._calls = calls
        self._background = fields.get("background") is True
        key = self._key
        if key is not None and (key.limits is not None or key.scopes):
            target = self._target
            estimate = await run_in_thread_if(
                is_large(body), estimate_request, body, fields, target.name, target.backend.quirks.max_tokens
            )
            if calls > 1:
                estimate = replace(estimate, input_tokens=estimate.input_tokens * calls)
            self._grant = await self._meters.admission.enter(key, estimate)

    @property
    def has_reservations(self) -> bool:
        """Whether reservations wait for their settlement."""
        return self._grant is not None and bool(self._grant.reservations)

    @property
    def headers(self) -> HeaderList:
        """The key's rate limit headers."""
        return self._grant.headers if self._grant is not None else []

    def answer_headers(self, headers: HeaderList) -> HeaderList:
        """The answer's headers; a limited key's own limits replace those of the operator's account."""
        if self._grant is None or not (own := self._grant.headers):
            return headers
        return [*(each for each in headers if not each[0].lower().startswith(_RATE_LIMIT_PREFIX)), *own]

    @property
    def needs_usage(self) -> bool:
        """Whether the exact usage of the call must be known."""
        return self._grant is not None and self._grant.needs_usage

    @property
    def output_cap(self) -> int | None:
        """The output limit to add to the request, if any."""
        return self._grant.output_cap if self._grant is not None else None

    async def settle(self, usage: Usage | None, *, deltas: int = 0, answered: bool = False) -> None:
        """Settles the call with its usage; only the first call counts.

        `deltas`: the output seen, for an answer without usage. `answered`: there was an answer, so its input
        counts however little of it was seen.
        """
        if self._settled:
            return
        usage = nonzero_usage(usage) or self._error_usage
        if usage is None and self._background and (answered or self.upstream_called):
            await self.settle_running()
            return
        self._settled = True
        is_estimate = usage is None and (deltas > 0 or answered)
        if is_estimate:
            usage = estimated_usage(self._estimated_input(), deltas)
        self._note(usage, estimated=is_estimate)
        if self._grant is not None:
            if usage is not None:
                self._grant.usage(usage)
            await self._grant.leave()

    async def release_body(self) -> None:
        """Drops the body, but keeps the estimate of its tokens for an answer that breaks off."""
        if not self._settled:
            self._input_tokens = await run_in_thread_if(is_large(self._body), estimate_input, self._body)
        self._body = b""

    def _estimated_input(self) -> int:
        """The estimated tokens of the request, for each call of the upstream."""
        return (self._input_tokens or estimate_input(self._body)) * self._calls

    def note_error(self, error: UpstreamError) -> None:
        """Stores the usage that comes with an upstream's error."""
        self._error_usage = usage_of(error.usage, response=False)
        self._still_running = error.still_running

    async def settle_running(self) -> None:
        """Settles a call that goes on upstream: its reservation counts as used."""
        if self._settled:
            return
        self._settled = True
        self._note(estimated_usage(self._estimated_input(), self._reserved_output()), estimated=True)
        if self._grant is not None:
            await self._grant.leave_running()

    async def settle_body(self, body: bytes, *, refused: bool) -> Usage | None:
        """Settles by a whole answer or error, of either API. Returns the usage that it reports."""
        if self._settled:
            return None
        large = is_large(body)
        usage = await run_in_thread(reported_usage, body) if large else reported_usage(body)
        if usage is None and not refused and await run_in_thread_if(large, still_running, body):
            await self.settle_running()
        else:
            unknown = usage is None and not refused
            output_estimate = await run_in_thread_if(large, answer_tokens, body) if unknown else 0
            await self.settle(usage, deltas=output_estimate, answered=not refused)
        return usage

    async def settle_response(self, response: Response, usage: Usage | None, deltas: int) -> None:
        """Settles by a whole response. `usage`: what it reports; `deltas`: the output seen."""
        if nonzero_usage(usage) is not None or self._settled:
            await self.settle(usage)
        elif response.get("status") in RUNNING:
            await self.settle_running()
        else:
            await self.settle(None, deltas=deltas or output_tokens(response), answered=True)

    async def settle_unfinished(self, stream: MeteredStream | None, fault: Fault | None) -> None:
        """Settles what is not settled yet: an answer that broke off, failed, or was abandoned."""
        abandoned = self.upstream_called and fault is not None and fault.cause == "cancel"
        if self._still_running:
            await self.settle_running()
        elif stream is not None:
            await self.settle(stream.usage, deltas=stream.deltas, answered=abandoned)
        elif abandoned or self._error_usage is not None:
            await self.settle(None, answered=abandoned)
        if self._grant is not None:
            await self._grant.leave()

    def _reserved_output(self) -> int:
        return self._grant.output_tokens if self._grant is not None else 0

    def _note(self, usage: Usage | None, *, estimated: bool) -> None:
        assert self._tenant is not None
        price = self._meters.admission.prices.of(self._model)
        cost = price.of(usage) if price is not None and usage is not None else None
        self._meters.usage.note(self._tenant, self._model, usage, cost, estimated=estimated)
        if self._key is not None and usage is not None:
            self._meters.key_use.note(self._key.id, tokens=usage["total_tokens"])
