"""`Engine.open(call)`: runs one call as an async context.

    async with engine.open(call) as answer:
        ... answer.body, or await answer.stream.send(sink) ...

Entering chooses the plan, calls the upstream and waits for its first event; it raises a BridgeError, which
becomes an HTTP status. Leaving, or failing to enter, closes the upstream. `stop(fault)` may be called at any
moment: on a disconnect, a revocation or a shutdown.
"""

from chat2response.engine.answer_call import answer_call
from chat2response.engine.call import Call
from chat2response.engine.parts import EngineParts
from chat2response.engine.run import Run


class Engine(EngineParts):
    """The engine of a process; there is one."""

    __slots__ = ()

    def open(self, call: Call) -> Run:
        """The call as a context."""
        return Run(self, call, answer_call)
