"""`Question`: what one turn asks of the upstream."""

from collections.abc import Sequence

from chat2response.convert.dialects.dialect import AnswerDecoder, Backend, Dialect
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.wire.values import Struct


class Question(Struct):
    """A hub request, and the backend that it is written for."""

    hub: HubRequest
    backend: Backend
    body: bytes | None = None
    """The client's own body, for an upstream that speaks its dialect; None: it is written from `hub`."""
    stops: Sequence[str] = ()
    """The stop strings that the gateway watches for."""

    def write(self, dialect: Dialect, losses: Losses) -> tuple[bytes, AnswerDecoder]:
        """The body for the upstream, and the decoder of its answer. Raises InvalidRequest."""
        if self.body is not None:
            return self.body, dialect.decoder(self.backend, self.hub.form)
        return dialect.write_request(self.hub, self.backend, losses)
