"""What is wrong with recorded data."""

from bot.domain.errors import ActError


class DataError(ActError):
    """Candles, funding or marks that cannot be used as they are. The message names file, symbol and time: exit 1."""
