"""The key service and the key verifier of one process, on one repository."""

import time
from collections.abc import Callable
from typing import Any

from chat2response.keys import KeyPolicy, KeyRepository, KeyService, KeyVerifier, Token, new_token
from chat2response.keys.tokens.pepper import Peppers
from chat2response.stores import Store


def key_parts(
    store: Store,
    policy: KeyPolicy | None = None,
    *,
    clock: Callable[[], float] = time.time,
    new_token: Callable[[], Token] = new_token,
    peppers: Peppers | None = None,
    **caching: Any,
) -> tuple[KeyService, KeyVerifier]:
    """The service and the verifier. `caching`: options of the verifier."""
    repository = KeyRepository(store, clock=clock)
    service = KeyService(repository, policy, new_token=new_token, peppers=peppers)
    return service, KeyVerifier(repository, peppers=peppers, **caching)
