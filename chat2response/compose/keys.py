"""Builds the options of `keys/`, `quota/` and `state/`: expiry, peppers, prices, seal keys."""

from chat2response.keys.expiry_policy import KeyPolicy
from chat2response.keys.tokens.pepper import PepperError, Peppers, read_peppers
from chat2response.quota.prices import Prices, PricesError, read_prices
from chat2response.settings import Settings, SettingsError
from chat2response.state.sealing import parse_keys


def key_policy(settings: Settings) -> KeyPolicy:
    """How long keys may live."""
    return KeyPolicy(
        default_ttl=settings.chat2response_keys_default_ttl_seconds,
        require_expiration=settings.chat2response_keys_require_expiration,
        allow_no_expiration=settings.chat2response_keys_allow_no_expiration,
    )


def peppers(settings: Settings) -> Peppers:
    """The peppers of key hashes; none if no file is configured. Raises SettingsError."""
    file = settings.chat2response_keys_pepper_file
    try:
        return Peppers() if file is None else read_peppers(file)
    except PepperError as error:
        raise SettingsError(f"CHAT2RESPONSE_KEYS_PEPPER_FILE: {error}.") from None


def prices(settings: Settings) -> Prices:
    """The token prices; none if no file is configured. Raises SettingsError."""
    file = settings.chat2response_prices_file
    try:
        return Prices() if file is None else read_prices(file)
    except PricesError as error:
        raise SettingsError(f"CHAT2RESPONSE_PRICES_FILE: {error}.") from None


def seal_keys(settings: Settings) -> tuple[str, ...]:
    """The operator's keys for sealed reasoning: the first seals, all can open. Empty if none is set."""
    keys = settings.chat2response_seal_key
    return parse_keys(keys.get_secret_value()) if keys is not None else ()
