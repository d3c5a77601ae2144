"""Draws a run with several faults at once from a seed, lets it happen on the bed, and says which promises broke."""

import random
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from database import ledger
from database.desk import DeskWriter
from database.session import act_url, desk_url
from support.bed import EPOCH_MS, journal_hash
from support.bed_lives import Lives, doubled_orders, executed_too_much

UNKNOWN = {"code": -1000, "msg": "Unknown error, please check your request or try again later."}
TIMEOUT = {"code": -1007, "msg": "Timeout waiting for response from backend server. Send status unknown."}
BUSY = {"code": -1008, "msg": "Server is currently overloaded with other requests. Please try again in a few minutes."}
MISSING = {"code": -2013, "msg": "Order does not exist."}
SKEW = {"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}
TOO_MANY = {"code": -1015, "msg": "Too many new orders; current limit is 300 orders per 10 SECOND."}
THROUGH = {"code": -2021, "msg": "Order would immediately trigger."}
UNSENT = {"code": -2011, "msg": "Unknown order sent."}
ORDER, ALGO = "/fapi/v1/order", "/fapi/v1/algoOrder"
RESTS = {"resting", "partially_filled"}
CALM_SECONDS = 3.0
FAULT_SECONDS = 24.0
SETTLED_SECONDS = 30.0
HOLD_SECONDS = 10.0
LAST_LOOKS_SECONDS = (4.0, 2.0, 0.0)
LARGEST_NOTIONAL = 1_100

type Deed = Callable[[Lives], None]


@dataclass
class Mix:
    """What a seed decided. `plan` is in words, to be printed when something broke."""

    seed: int
    speed: float
    symbols: str
    settings: dict[str, Any]
    hold_at_once: bool
    plan: list[tuple[float, str, Any]] = field(default_factory=list)


def draw(seed: int) -> Mix:
    """Draw a run."""
    chance = random.Random(seed)
    mix = Mix(
        seed=seed,
        speed=chance.choice([15, 30, 60, 120, 300]),
        symbols=chance.choice(["BTCUSDT", "BTCUSDT,ETHUSDT", "BTCUSDT,ETHUSDT,SOLUSDT"]),
        settings={
            "strategy": {
                "min_session_candles": 5,
                "k": chance.choice([0.1, 0.3, 0.7, 1.2]),
                "adx_max": 60,
                "stop_pct": chance.choice([1, "0.1"]),
            },
            "pacing": {
                "min_seconds_between_trades": 0,
                "cooldown_after_win_seconds": 0,
                "cooldown_after_loss_seconds": 0,
            },
            "execution": {
                "entry": chance.choice(["limit", "limit", "post_only", "market"]),
                "on_ttl": chance.choice(["cross", "cancel"]),
            },
        },
        hold_at_once=chance.random() < 0.4,
    )
    for _ in range(chance.choice([2, 3, 4, 5, 6, 10])):
        kind = chance.choice(KINDS)
        at = round(CALM_SECONDS + chance.random() * FAULT_SECONDS, 3)
        mix.plan.append((at, kind.__name__.strip("_"), kind(chance, mix)))
    mix.plan.sort(key=lambda each: each[0])
    return mix


def _rest(method: str, path: str, action: dict[str, Any], **how: Any) -> dict[str, Any]:
    return {"match": {"kind": "rest", "method": method, "path": path, **how}, "action": action}


def _api(method: str, action: dict[str, Any], **how: Any) -> dict[str, Any]:
    return {"match": {"kind": "wsapi", "method": method, **how}, "action": action}


def _often(chance: random.Random) -> dict[str, Any]:
    return chance.choice([{"every": 2}, {"every": 3}, {"times": 4}, {"times": 2}, {"probability": 0.4}])


def _lost(chance: random.Random) -> dict[str, Any]:
    process = chance.choice([True, False, 0.5])
    return chance.choice(
        [
            {"process": process, "status": 503, "body": UNKNOWN},
            {"process": process, "status": 408, "body": TIMEOUT},
            {"process": process, "status": 400, "body": TIMEOUT},
            {"process": process, "status": 502, "body": "<html>bad gateway</html>"},
            {"process": False},
            {"delay_before_ms": chance.choice([300, 3_500, 6_000])},
            {"delay_after_ms": chance.choice([300, 3_500, 6_000])},
            {"reset": chance.choice(["before", "after"])},
            {"close": chance.choice(["before", "after"])},
            {"status": 200, "body": "{not json"},
            {"status": 200, "body": {}},
        ]
    )


def _orders_lost(chance, mix):
    action, how = _lost(chance), _often(chance)
    return [_api("order.place", action, **how), _rest("POST", ORDER, action, **how)]


def _blind(chance, mix):
    """Orders are executed, and neither the answer nor the user stream says so."""
    often = chance.choice([{"times": 2}, {"times": 5}, {"every": 2, "times": 6}])
    action = chance.choice([{"delay_after_ms": 6_000}, {"status": 503, "body": UNKNOWN}, {"reset": "after"}])
    deaf = {"match": {"kind": "ws", "stream": "user", "times": 40}, "action": {"drop": True}}
    return [_api("order.place", action, **often), _rest("POST", ALGO, action, **often), deaf]


def _cancels_lost(chance, mix):
    action, how = _lost(chance), _often(chance)
    return [_api("order.cancel", action, **how), _rest("DELETE", ORDER, action, **how)]


def _stops_lost(chance, mix):
    return [_rest("POST", ALGO, _lost(chance), **_often(chance))]


def _stop_cancels_lost(chance, mix):
    return [_rest("DELETE", ALGO, _lost(chance), **_often(chance))]


def _stops_refused(chance, mix):
    body = chance.choice(
        [
            THROUGH,
            BUSY,
            TOO_MANY,
            {"code": -4045, "msg": "Reach max stop order limit."},
            {"code": -1111, "msg": "Precision is over the maximum defined for this asset."},
        ]
    )
    return [_rest("POST", ALGO, {"process": False, "status": 400, "body": body}, times=chance.randint(1, 4))]


def _cancels_refused(chance, mix):
    action = {"process": chance.choice([True, False]), "status": 400, "body": UNSENT}
    return [_api("order.cancel", action, **_often(chance)), _rest("DELETE", ALGO, action, **_often(chance))]


def _orders_refused(chance, mix):
    body = chance.choice(
        [
            BUSY,
            SKEW,
            TOO_MANY,
            {"code": -2019, "msg": "Margin is insufficient."},
            {
                "code": -5022,
                "msg": "Due to the order could not be executed as maker, the Post Only order will be rejected.",
            },
            {"code": -4164, "msg": "Order's notional must be no smaller than 100"},
            {"code": -2022, "msg": "ReduceOnly Order is rejected."},
        ]
    )
    action = {"process": False, "status": 400, "body": body}
    how = chance.choice([{"times": 1}, {"times": 3}, {"every": 3}])
    return [_api("order.place", action, **how), _rest("POST", ORDER, action, **how)]


def _late_visibility(chance, mix):
    action = {"process": False, "status": 400, "body": MISSING}
    return [
        *_orders_lost(chance, mix),
        _rest("GET", ORDER, action, times=chance.choice([1, 3, 6])),
        _rest("GET", ALGO, action, times=chance.choice([1, 3])),
    ]


def _reads_fail(chance, mix):
    action = chance.choice(
        [
            {"process": False, "status": 502, "body": "<html>"},
            {"delay_after_ms": 5_000},
            {"delay_before_ms": 900},
            {"reset": "before"},
            {"status": 200, "body": "[{]"},
            {"status": 200, "body": []},
            {"status": 200, "body": {}},
        ]
    )
    path = chance.choice(
        [
            "/fapi/*/[!t]*",
            "/fapi/v3/positionRisk",
            "/fapi/v1/openOrders",
            "/fapi/v1/userTrades",
            "/fapi/v1/income",
            "/fapi/v1/openAlgoOrders",
            "/fapi/v1/klines",
            "/fapi/v3/balance",
        ]
    )
    return [_rest("GET", path, action, **chance.choice([{"probability": 0.3}, {"times": 10}, {"every": 2}]))]


def _user_frames(chance, mix):
    event = chance.choice(["ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE", "ALGO_UPDATE", "*"])
    action = chance.choice(
        [
            {"drop": True},
            {"duplicate": [1, 3]},
            {"duplicate": 2, "copies_delay_ms": 4_000},
            {"delay_ms": chance.choice([50, 700, 6_000])},
            {"reorder": 5},
            {"text": "{odd"},
            {"text": '{"e":"NEW_THING","E":1,"x":[]}'},
            {"text": "[]"},
            {"text": "7"},
            {"inject": [{"e": "STRATEGY_UPDATE", "E": 1}, "null", "{}"]},
            {"remove": ["o.n", "o.N"]},
            {"remove": ["o.X"]},
            {"remove": ["E"]},
            {"mutate": {"o.X": "SOMETHING"}},
            {"mutate": {"E": "text"}},
        ]
    )
    return [{"match": {"kind": "ws", "stream": "user", "event": event, **_often(chance)}, "action": action}]


def _market_frames(chance, mix):
    event = chance.choice(["kline", "kline", "markPriceUpdate", "bookTicker"])
    action = chance.choice(
        [
            {"drop": True},
            {"duplicate": 1},
            {"delay_ms": chance.choice([100, 1_500])},
            {"reorder": 4},
            {"text": "{odd"},
            {"mutate": {"k.v": "1.000"}, "duplicate": 1},
            {"inject": ["{}", "[1]"]},
            {"remove": ["k.c"]},
        ]
    )
    return [
        {
            "match": {
                "kind": "ws",
                "event": event,
                **chance.choice([{"probability": 0.3}, {"times": 5}, {"every": 7}]),
            },
            "action": action,
        }
    ]


def _closed_candles_lost(chance, mix):
    return [
        {
            "match": {
                "kind": "ws",
                "event": "kline",
                "fields": {"k.x": True},
                "times": chance.randint(1, 4),
                **chance.choice([{}, {"probability": 0.5}]),
            },
            "action": {"drop": True},
        }
    ]


def _resets(chance, mix):
    route = chance.choice(["*", "private", "ws_api", "market", "public"])
    how = chance.choice([{"reset": True}, {"close": 1001}, {"close": 1008}])
    connects = {
        "match": {"kind": "connect", "route": route, "times": chance.randint(1, 4)},
        "action": {"refuse": chance.choice([0, 503])},
    }
    short = {
        "match": {"kind": "connect", "route": route, "times": chance.randint(1, 3)},
        "action": {"drop_after_ms": chance.choice([20, 900])},
    }
    return [{"match": {"kind": "open", "route": route}, "action": how}, *chance.choice([[], [], [connects], [short]])]


def _silence(chance, mix):
    route = chance.choice(["private", "ws_api", "market", "public"])
    ms = chance.choice([2_000, 9_000, 20_000, 0])
    return [
        {"match": {"kind": "open", "route": route}, "action": {"silent": {"ms": ms, "pings": chance.random() < 0.5}}}
    ]


def _key_expires(chance, mix):
    expiry = {"match": {"kind": "open", "route": "private"}, "action": {"expire_listen_key": True}}
    broken = _rest("POST", "/fapi/v1/listenKey", {"process": False, "status": 503, "body": UNKNOWN}, times=2)
    return [expiry, *chance.choice([[], [broken]])]


def _account(action: dict[str, Any], after_ms: int = 0) -> dict[str, Any]:
    return {"match": {"kind": "account", "after_ms": after_ms}, "action": action}


def _person(chance, mix):
    symbol = chance.choice(mix.symbols.split(","))
    side = chance.choice(["BUY", "SELL"])
    quantity = chance.choice(
        {"BTCUSDT": ["0.002", "0.010", "0.05"], "ETHUSDT": ["0.05", "0.3", "1"], "SOLUSDT": ["1", "5", "30"]}[symbol]
    )
    order = {"symbol": symbol, "side": side, "type": "MARKET", "quantity": quantity}
    request = chance.choice(
        [
            {"method": "POST", "path": ORDER, "params": order},
            {"method": "POST", "path": ORDER, "params": {**order, "reduceOnly": "true"}},
            {"method": "DELETE", "path": "/fapi/v1/allOpenOrders", "params": {"symbol": symbol}},
            {"method": "DELETE", "path": "/fapi/v1/algoOpenOrders", "params": {"symbol": symbol}},
        ]
    )
    return [_account({"request": request}, after_ms) for after_ms in chance.choice([[0], [0, 40, 3_000]])]


def _money(chance, mix):
    """Move money in and out; two equal amounts within a second of market time are one to our books (known gap)."""
    most = chance.choice([-4_000, -1, 1, 300])
    amounts = [str(Decimal(most) * chance.randint(1, 10**6) / 10**6) for _ in range(chance.choice([1, 3]))]
    return [
        _account({"transfer": {"asset": "USDT", "amount": amount}}, after_ms)
        for amount, after_ms in zip(amounts, (0, 10, 500), strict=False)
    ]


def _funding(chance, mix):
    return [_account({"fund": symbol}, chance.choice([0, 30])) for symbol in mix.symbols.split(",")]


def _liquidation(chance, mix):
    return [_account({"liquidate": chance.choice(mix.symbols.split(","))})]


def _filters(chance, mix):
    symbol = chance.choice(mix.symbols.split(","))
    tick, step = {"BTCUSDT": ("1.0", "0.002"), "ETHUSDT": ("0.10", "0.010"), "SOLUSDT": ("0.1000", "2")}[symbol]
    rules = [
        {"filterType": "PRICE_FILTER", "tickSize": tick},
        {"filterType": "LOT_SIZE", "stepSize": step, "minQty": step},
        {"filterType": "MARKET_LOT_SIZE", "stepSize": step, "minQty": step},
    ]
    return [_account({"symbol": {"symbol": symbol, "filters": chance.sample(rules, chance.randint(1, 3))}})]


def _status(chance, mix):
    symbol = chance.choice(mix.symbols.split(","))
    status = chance.choice(["SETTLING", "PRE_SETTLE", "PENDING_TRADING"])
    return [
        _account({"symbol": {"symbol": symbol, "status": status}}),
        _account({"symbol": {"symbol": symbol, "status": "TRADING"}}, 5_000),
    ]


def _ban(chance, mix):
    return chance.choice([2, 8, 20])


def _weight_used_up(chance, mix):
    return chance.choice([0.6, 0.75, 0.9])


def _clock_step(chance, mix):
    return chance.choice([-10_000, -2_000, 500, 2_000, 10_000, 3_000_000])


def _kill(chance, mix):
    return chance.choice([0.5, 1, 5, 20])


def _kills(chance, mix):
    return [(chance.choice([0.05, 0.2, 1]), chance.random() * 2) for _ in range(chance.randint(2, 5))]


def _database_fails(chance, mix):
    return chance.choice([0.3, 2, 8])


def _person_asks(chance, mix):
    command = chance.choice(["pause", "flatten", "halt"])
    return command, chance.choice([{}, {"symbol": mix.symbols.split(",")[0]}])


def _outage(chance, mix):
    ms = chance.choice([3_000, 8_000])
    connects = {
        "match": {"kind": "connect", "times": chance.randint(4, 12)},
        "action": {"refuse": chance.choice([0, 503])},
    }
    frames = {
        "match": {"kind": "open"},
        "action": chance.choice([{"reset": True}, {"silent": {"ms": ms, "pings": False}}]),
    }
    body = {"code": -1000, "msg": "Unknown error, please check your request or try again later."}
    requests = {
        "match": {"kind": "rest", "times": chance.randint(5, 60)},
        "action": chance.choice(
            [
                {"process": False},
                {"status": 503, "body": body, "process": 0.5},
                {"status": 503, "body": "Service Unavailable", "process": False},
            ]
        ),
    }
    return [connects, frames, requests]


def _half_dead(chance, mix):
    slow = {
        "match": {"kind": "rest", "probability": 0.3},
        "action": chance.choice(
            [{"delay_after_ms": 5_000}, {"delay_before_ms": 5_000}, {"status": 502, "body": "<html>", "process": 0.5}]
        ),
    }
    return [slow]


def _told_to_wait(chance, mix):
    wait = chance.choice([1, 3, 9])
    body = {"code": -1003, "msg": "Too many requests."}
    path = chance.choice(["*", ORDER, ALGO, "/fapi/v3/positionRisk"])
    action = {"process": False, "status": 429, "headers": {"Retry-After": str(wait)}, "body": body}
    return [
        _rest("*", path, action, times=chance.randint(1, 3)),
        _api("*", {"process": False, "status": 429, "body": body}, times=1),
    ]


def _person_rests(chance, mix):
    symbol = chance.choice(mix.symbols.split(","))
    price, quantity = {"BTCUSDT": ("90000.0", "0.002"), "ETHUSDT": ("3000.00", "0.05"), "SOLUSDT": ("100.00", "1")}[
        symbol
    ]
    limit = {
        "symbol": symbol,
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": quantity,
        "price": price,
    }
    stop = {
        "symbol": symbol,
        "side": "SELL",
        "algoType": "CONDITIONAL",
        "type": "STOP_MARKET",
        "triggerPrice": price,
        "closePosition": "true",
    }
    request = chance.choice(
        [{"method": "POST", "path": ORDER, "params": limit}, {"method": "POST", "path": ALGO, "params": stop}]
    )
    return [_account({"request": request})]


def _kill_at_commit(chance, mix):
    return chance.randint(1, 40), chance.choice([0.2, 1, 5]), chance.random() < 0.5


KINDS = [
    _orders_lost,
    _orders_lost,
    _cancels_lost,
    _stops_lost,
    _stop_cancels_lost,
    _stops_refused,
    _cancels_refused,
    _orders_refused,
    _late_visibility,
    _reads_fail,
    _user_frames,
    _user_frames,
    _market_frames,
    _closed_candles_lost,
    _resets,
    _resets,
    _silence,
    _key_expires,
    _person,
    _money,
    _funding,
    _liquidation,
    _filters,
    _status,
    _ban,
    _weight_used_up,
    _clock_step,
    _kill,
    _kill_at_commit,
    _kill_at_commit,
    _kills,
    _database_fails,
    _person_asks,
    _outage,
    _half_dead,
    _told_to_wait,
    _person_rests,
    _blind,
    _blind,
]


def _do(lives: Lives, what: str, how: Any, bans: list[tuple[float, float]]) -> None:
    limits = lives.server._api.limits
    match what:
        case "ban":
            limits.banned_until_ms = lives.wall_ms + how * 1_000
            bans.append((lives.now, lives.now + how))
        case "weight_used_up":
            used = limits.weight.count(lives.wall_ms)
            limits.weight.use(max(0, round(how * limits.weight.limit) - used), lives.wall_ms)
        case "clock_step":
            lives.server.shift_clock(how)
        case "kill":
            lives.kill(how)
        case "kills":
            (down, lived), *others = how
            if others:
                lives.at(lives.now + down + lived, lambda: _do(lives, what, others, bans))
            lives.kill(down)
        case "database_fails":
            lives.store_fails_until = lives.now + how
        case "person_asks":
            _ask(lives, *how)
        case "kill_at_commit":
            lives.kill_at_commit(how[0], how[1], after=how[2])
        case _:
            lives.server.add_faults(msgspec.json.encode(how), lives.wall_ms)


def _ask(lives: Lives, command: str, arguments: dict[str, str]) -> None:
    desk = DeskWriter(desk_url(lives.home / "status"))
    desk.ask(f"{command}-{lives.wall_ms}-{arguments.get('symbol', '')}", "a test", command, arguments, lives.wall_ms)


@dataclass
class Outcome:
    """What came of a mix: `broken` promises in words (none = all held), and figures."""

    broken: list[str]
    orders: int = 0
    fills: int = 0
    trades: int = 0
    deaths: int = 0
    alerts: int = 0
    naked_seconds: float = 0.0
    equal_after: float = 0.0
    running_after: float = 0.0
    weight: float = 0.0
    journal_hash: str = ""
    incidents: list[tuple[str, str, str]] = field(default_factory=list)


def happen(home: Path, mix: Mix) -> Outcome:
    """Let a mix happen and judge it."""
    lives = Lives(home, seed=mix.seed % 50, speed=mix.speed, symbols=mix.symbols, **mix.settings)
    outcome = Outcome([])
    bans: list[tuple[float, float]] = []
    for at, what, how in mix.plan:
        lives.at(at, lambda what=what, how=how: _do(lives, what, how, bans))
    clear_at = CALM_SECONDS + FAULT_SECONDS + 1
    grace = max(
        [
            SETTLED_SECONDS,
            *(at + how - clear_at + SETTLED_SECONDS for at, what, how in mix.plan if what in {"ban", "kill"}),
        ]
    )

    def calm() -> None:
        lives.server.clear_faults()
        lives.store_fails_until = 0.0
        if lives.store is not None:
            lives.store.dies_in = 0
        if any(what == "person_asks" for _, what, _ in mix.plan):
            _ask(lives, "resume", {})
            for symbol in lives.options.symbols:
                _ask(lives, "resume", {"symbol": symbol})

    lives.at(clear_at, calm)
    if mix.hold_at_once:
        lives.at(clear_at, lambda: _hold(lives))
        _poll(lives, clear_at, grace, lambda: _equal(lives), lambda s: setattr(outcome, "equal_after", s))
        lives.at(clear_at + grace, lambda: lives.server.is_held and _compare(lives, outcome))
        lives.at(clear_at + grace, lambda: lives.server.release(lives.wall_ms))
        began = clear_at + grace
        end = began + SETTLED_SECONDS
    else:
        began = clear_at
        end = clear_at + grace
    _poll(lives, began, end - began, lambda: lives.state() == "running", lambda s: setattr(outcome, "running_after", s))
    beats: list[dict[str, Any]] = []
    for before in LAST_LOOKS_SECONDS:
        lives.at(end - before, lambda: beats.append(_beat(lives)))
    lives.at(end, lambda: _state(lives, outcome, beats))
    lives.at(end, lambda: lives.server.hold(lives.wall_ms))
    lives.at(end + HOLD_SECONDS, lambda: _compare(lives, outcome))
    try:
        lives.run(end + HOLD_SECONDS + 0.5)
    except Exception as error:
        outcome.broken.append(f"{lives.now:.1f} s: {type(error).__name__}: {error}")
        raise
    _judge(lives, mix, outcome, bans)
    return outcome


def _hold(lives: Lives) -> None:
    """Hold the market, unless the bot is just starting: without a market it cannot."""
    if lives.service is not None:
        lives.server.hold(lives.wall_ms)


def _poll(lives: Lives, began: float, length: float, holds: Callable[[], bool], tell: Callable[[float], None]) -> None:
    done: list[float] = []

    def look(at: float) -> None:
        if not done and holds():
            done.append(at)
            tell(at)

    for step in range(int(length)):
        lives.at(began + step + 1, lambda at=step + 1.0: look(at))


def _equal(lives: Lives) -> bool:
    return ledger.canonical(act_url(lives.home / "status")) == lives.server.ledger_bytes()


def _compare(lives: Lives, outcome: Outcome) -> None:
    ours, theirs = ledger.canonical(act_url(lives.home / "status")), lives.server.ledger_bytes()
    if ours != theirs:
        outcome.broken += [f"{lives.now:.1f} s: I2: {line}" for line in ledger.difference(ours, theirs)[:6]]


def _beat(lives: Lives) -> dict[str, Any]:
    return msgspec.json.decode((lives.home / "status" / "heartbeat.json").read_bytes())


def _state(lives: Lives, outcome: Outcome, beats: list[dict[str, Any]]) -> None:
    """Judge the end. A fill amid a look at the account leaves one beat unreconciled: then one of the last will do."""
    beat = beats[-1]
    passing = beat["reason"].startswith("unreconciled") and any(each["state"] == "running" for each in beats)
    if beat["state"] != "running" and not passing:
        outcome.broken.append(f"{lives.now:.1f} s: I11: state {beat['state']}: {beat['reason']}")
    age_ms = lives.wall_ms - datetime.fromisoformat(beat["ts"]).timestamp() * 1_000
    if age_ms > 6_000:
        outcome.broken.append(f"{lives.now:.1f} s: I6: the heartbeat is {age_ms:.0f} ms old")
    outcome.broken += [f"dead task: {name}" for name in lives.exchange.tasks()]
    with sqlite3.connect(lives.home / "status" / "act.db") as database:
        rows = database.execute("select code, symbol, detail from incidents where closed_ms = 0").fetchall()
    state = lives.server.exchange._state
    rightly = {"dust": lambda symbol: bool(state.position(symbol).quantity)}
    outcome.broken += [
        f"I12: incident left open: {code} {symbol}: {detail}"
        for code, symbol, detail in rows
        if not (code in rightly and rightly[code](symbol))
    ]


def _judge(lives: Lives, mix: Mix, outcome: Outcome, bans: list[tuple[float, float]]) -> None:
    lives.watch.end()
    outcome.journal_hash = journal_hash(lives.server)
    outcome.broken += lives.trouble
    outcome.broken += [f"I1: {line}" for line in doubled_orders(lives.server)]
    outcome.naked_seconds = max((length for _, _, length in lives.watch.naked), default=0.0)
    outcome.broken += [
        f"I3: {symbol} naked for {length:.1f} s from {since:.1f} s"
        for symbol, since, length in lives.watch.naked
        if length > 10
    ]
    if not any(what == "person" for _, what, _ in mix.plan):
        worth = {symbol: worth for symbol, worth in lives.watch.largest.items() if worth > LARGEST_NOTIONAL}
        outcome.broken += [f"I4: {symbol} was worth {worth:.0f} USDT" for symbol, worth in worth.items()]
    outcome.weight = lives.watch.most_weight
    if not any(what == "weight_used_up" for _, what, _ in mix.plan) and outcome.weight > 0.8:
        outcome.broken.append(f"I10: {outcome.weight:.0%} of the weight used")
    outcome.broken += [line for since, until in bans for line in _asked_while_banned(lives, since, until)]
    state = lives.server.exchange._state
    outcome.orders, outcome.fills, outcome.deaths = len(state.orders), len(state.trades), lives.deaths - 1
    for symbol in lives.options.symbols:
        if not state.position(symbol).quantity and any(
            a.client_algo_id.startswith("a") for a in state.market(symbol).waiting.values()
        ):
            outcome.broken.append(f"I3: a stop of {symbol} outlives its position")
    with sqlite3.connect(lives.home / "status" / "act.db") as database:
        outcome.incidents = database.execute(
            "select code, symbol, severity || ' ' || detail from incidents order by opened_ms"
        ).fetchall()
        outcome.broken += _left_hanging(lives, database)
        outcome.alerts = database.execute(
            "select count(*) from alerts where event not in ('entry', 'exit')"
        ).fetchone()[0]
        wanted = dict(database.execute("select intent_id, quantity from intents").fetchall())
        outcome.trades = database.execute("select count(*) from signals").fetchone()[0]
    amounts = {intent: Decimal(quantity).scaleb(-8) for intent, quantity in wanted.items()}
    outcome.broken += [f"I1: {line}" for line in executed_too_much(lives.server, amounts)]
    outcome.broken += [
        f"CRITICAL {code} {symbol}: {detail}"
        for code, symbol, detail in outcome.incidents
        if detail.startswith("CRITICAL")
    ]


def _left_hanging(lives: Lives, database: sqlite3.Connection) -> list[str]:
    """Say which orders the books hold for live and the exchange does not."""
    state = lives.server.exchange._state
    live = {order.client_order_id for order in state.orders.values() if order.is_open}
    live |= {algo.client_algo_id for algo in state.algos.values() if algo.is_open}
    states = "('filled', 'cancelled', 'expired', 'rejected')"
    ours = database.execute(f"select client_order_id, state from orders where state not in {states}").fetchall()
    ours += database.execute(f"select client_algo_id, state from algo_orders where state not in {states}").fetchall()
    return [f"{client_id} is still {word}" for client_id, word in ours if client_id not in live or word not in RESTS]


def _asked_while_banned(lives: Lives, since: float, until: float) -> list[str]:
    """Say what was asked after the first answer that told of the ban; a new process must find out by itself."""
    asked = [
        entry
        for entry in lives.server.journal.entries
        if entry.kind in {"rest", "wsapi"}
        and entry.detail["status"] == 418
        and not entry.detail["fault"]
        and since * 1_000 < entry.wall_ms - EPOCH_MS < until * 1_000
    ]
    late = [entry for entry in asked if entry.wall_ms > asked[0].wall_ms + 50]
    if len(late) < lives.deaths:
        return []
    what = [(entry.wall_ms - EPOCH_MS, entry.detail.get("path") or entry.detail.get("method")) for entry in late[:4]]
    return [f"I10: {len(late)} requests while banned from {since:.1f} s: {what}"]
