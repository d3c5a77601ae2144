"""Plugs a simulator together from its options. Unusable ones raise `DataError`, `FaultError` or `OptionError`."""

from decimal import Decimal, InvalidOperation
from pathlib import Path

from simulator.faults import Fault, FaultError, FaultPlan, parse_plan
from simulator.market.generate import GeneratedTape
from simulator.market.instruments import builtin_exchange_info, load_exchange_info
from simulator.market.replay import open_recording
from simulator.market.tape import DAY_MS, MINUTE_MS, Tape
from simulator.server.options import Options
from simulator.server.protocol import Server, Terms
from simulator.server.signing import Credentials
from simulator.venue.exchange import Exchange


class OptionError(ValueError):
    """An option cannot be used. The message is one line that says what is wrong and what to do."""


def assemble(options: Options, wall_ms: int) -> Server:
    """Build market, venue and protocol server, ready at wall time `wall_ms`."""
    _check(options)
    if options.exchange_info is None:
        info = builtin_exchange_info(options.symbols)
    else:
        info = load_exchange_info(options.exchange_info, options.symbols)
    tape = _tape(options, info, wall_ms)
    exchange = Exchange(info, balance=_balance(options.balance), start_ms=tape.start_ms, funding=tape)
    return Server(
        tape=tape,
        exchange=exchange,
        credentials=_credentials(options),
        plan=FaultPlan(options.seed, _faults(options.faults)),
        terms=Terms(options.speed, options.seed, options.connection_life_ms, options.full_order_answers),
        wall_ms=wall_ms,
    )


def _check(options: Options) -> None:
    if not options.symbols:
        raise OptionError("no symbol: name at least one with --symbols BTCUSDT,ETHUSDT")
    if not 0 <= options.port <= 65_535:
        raise OptionError(f"port {options.port}: --port takes 0 (any free one) to 65535")
    if not 0 < options.speed <= 100_000:
        raise OptionError(f"speed {options.speed:g}: --speed takes a number above 0 and up to 100000")
    if options.ticks_per_minute < 4:
        raise OptionError(f"{options.ticks_per_minute} ticks per minute: --ticks-per-minute takes 4 or more")


def _tape(options: Options, info: dict[str, object], wall_ms: int) -> Tape:
    if options.data is not None:
        return open_recording(
            options.data,
            info,
            symbols=options.symbols,
            start_ms=options.start_ms,
            now_ms=wall_ms,
            seed=options.seed,
            ticks_per_minute=options.ticks_per_minute,
        )
    start_ms = options.start_ms if options.start_ms is not None else wall_ms - wall_ms % DAY_MS
    if start_ms % MINUTE_MS:
        raise OptionError("--start is not a whole minute: leave the seconds out")
    return GeneratedTape(
        info,
        symbols=options.symbols,
        seed=options.seed,
        start_ms=start_ms,
        ticks_per_minute=options.ticks_per_minute,
    )


def _balance(text: str) -> Decimal:
    try:
        balance = Decimal(text)
    except InvalidOperation:
        raise OptionError(f"balance {text!r} is no number: give USDT like --balance 10000") from None
    if not balance.is_finite() or balance < 0:
        raise OptionError(f"balance {text}: --balance takes 0 or more USDT")
    return balance


def _credentials(options: Options) -> Credentials:
    try:
        return Credentials(options.api_key, options.api_secret)
    except ValueError as error:
        raise OptionError(f"the API secret cannot be used ({error}): give an HMAC secret or an Ed25519 PEM") from error


def _faults(path: Path | None) -> list[Fault]:
    if path is None:
        return []
    try:
        text = path.read_bytes()
    except OSError as error:
        raise FaultError(f"{path}: cannot be read ({error.strerror}): check --faults") from error
    try:
        return parse_plan(text)
    except FaultError as error:
        raise FaultError(f"{path}: {error}") from error
