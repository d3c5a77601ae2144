"""The pieces of a page as HTML text. Pure: values in, markup out; every outside text is escaped on its way in."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dashboard.format import ABSENT, age, clock, day, duration, number, safe, signed, tone, words
from dashboard.heartbeat import Pulse, Sign, Stream, streams

_PULSE_TONE = {
    Pulse.ALIVE: "up",
    Pulse.SUSPECT: "warn",
    Pulse.DEAD: "down",
    Pulse.NEVER: "down",
    Pulse.STOPPED: "muted",
}
_STATE_TONE = {"running": "up", "halted": "down", "degraded": "warn", "paused": "warn", "draining": "warn"}
_STALE_STREAM_MS = 10_000
_MARKET_IS_ELSEWHERE_MS = 120_000


@dataclass(frozen=True, slots=True)
class Cell:
    """One table cell: text (escaped here), its style class, and whether it is a number (right-aligned)."""

    text: str
    tone: str = ""
    numeric: bool = False
    title: str = ""


@dataclass(frozen=True, slots=True)
class Tile:
    """One headline number with a quiet note under it."""

    label: str
    value: str
    note: str = ""
    tone: str = ""
    title: str = ""


def page_wrap(body: str, *, live: bool) -> str:
    """Wrap a page's markup; when the bot is not live, everything marked `act-live` is grey."""
    return f'<div class="act{"" if live else " act-dead"}">{body}</div>'


def header(sign: Sign, now_ms: int, market_ms: int) -> str:
    """Build the line that is on every page. `market_ms` is the latest market time known, 0 = none."""
    beat = sign.beat
    cells = [_cell("Mode", _badge(beat.mode if beat else ""))]
    cells.append(_cell("State", _state(sign)))
    if beat and beat.reason:
        cells.append(f'<div class="act-reason">{_key("Reason")}<div class="act-value">{safe(beat.reason)}</div></div>')
    cells.append(_cell("Heartbeat", _heartbeat(sign), "Written by the bot every 2 s; over 10 s old means dead."))
    if beat:
        cells += [_cell(f"{name} data", _stream(stream)) for name, stream in streams(beat).items()]
        cells.append(_cell("Positions", _live(str(beat.positions))))
        cells.append(_cell("Orders", _live(str(beat.open_orders))))
        cells.append(_cell("Equity USDT", _live(number(beat.equity))))
        cells.append(_cell("Day PnL USDT", _live(signed(beat.day_pnl), tone(beat.day_pnl))))
    cells.append(_cell("UTC", _times(now_ms, market_ms)))
    stale = "" if sign.live else f'<div class="act-stale">{safe(stale_words(sign))}</div>'
    return page_wrap(f'<div class="act-header">{"".join(cells)}</div>{stale}', live=sign.live)


def stale_words(sign: Sign) -> str:
    """Say in words why the numbers are not the present ones."""
    if sign.beat is None:
        return "No heartbeat: the bot has not been started here, or it cannot write status/heartbeat.json."
    since = clock(sign.beat.at_ms)
    if sign.pulse is Pulse.STOPPED:
        return f"The bot was stopped: data from {since} UTC. Resting stops stay at the exchange."
    return f"The bot is silent for {duration(sign.age_seconds)}: data from {since} UTC. Run act health."


def tiles(values: Iterable[Tile]) -> str:
    """Lay out headline numbers in one row."""
    return f'<div class="act-tiles act-live">{"".join(_tile(tile) for tile in values)}</div>'


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]], *, empty: str, note: str = "") -> str:
    """Build a titled table; without rows it says so in words. Numeric columns follow the cells of the first row."""
    heading = f'<div class="act-title"><b>{safe(title)}</b><span class="muted">{safe(note)}</span></div>'
    if not rows:
        return f'<div class="act-panel">{heading}<div class="act-empty">{safe(empty)}</div></div>'
    head = "".join(
        f"<th{_class('num' if cell.numeric else '')}>{safe(column)}</th>"
        for column, cell in zip(columns, rows[0], strict=True)
    )
    body = "".join(f"<tr>{''.join(_td(cell) for cell in row)}</tr>" for row in rows)
    content = f'<div class="act-scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    return f'<div class="act-panel act-live">{heading}{content}</div>'


def notice(words: str) -> str:
    """Build a quiet panel that says in words why there is nothing else to see."""
    return f'<div class="act-panel"><div class="act-empty">{safe(words)}</div></div>'


def chart_title(symbol: str, caption: str, *, inspect: bool) -> str:
    """Build the line above a chart: what it shows, and whether it stands still."""
    still = ' <span class="warn">standing still: switch to Live to follow the market</span>' if inspect else ""
    return f'<div class="act-live"><b>{safe(symbol)}</b> <span class="muted">{safe(caption)}</span>{still}</div>'


def why(title: str, verdict: str, facts: Iterable[tuple[str, str]], note: str = "") -> str:
    """Build the box that explains, in words, why there is no trade now."""
    listed = "".join(f"<dt>{safe(name)}</dt><dd>{safe(value)}</dd>" for name, value in facts)
    quiet = f'<div class="muted">{safe(note)}</div>' if note else ""
    return (
        f'<div class="act-panel act-live"><div class="act-title"><b>{safe(title)}</b></div>'
        f'<div class="act-why"><div class="act-verdict">{safe(verdict)}</div>{quiet}<dl>{listed}</dl></div></div>'
    )


def usage_bar(share: float) -> str:
    """Draw how much of a limit is used: calm, amber from 70 %, red from 100 %."""
    shade = "down" if share >= 1 else "warn" if share >= 0.7 else ""
    return f'<span class="act-bar"><i{_class(shade)} style="width:{max(0.0, min(share, 1.0)) * 100:.0f}%"></i></span>'


def limits(usage: Sequence[tuple[str, float]]) -> str:
    """Build the panel of risk limits and how much of each is used."""
    if not usage:
        rows = '<div class="act-empty">No limit is being used yet.</div>'
    else:
        lines = "".join(
            f'<tr><td>{safe(words(name))}</td><td class="num">{share * 100:.0f} %</td><td>{usage_bar(share)}</td></tr>'
            for name, share in usage
        )
        rows = f'<table class="act-limits"><tbody>{lines}</tbody></table>'
    return f'<div class="act-panel act-live"><div class="act-title"><b>Risk limits used</b></div>{rows}</div>'


def events(title: str, lines: Sequence[tuple[str, str, str]], *, empty: str) -> str:
    """Build a short list of (time, words, style class), one line each."""
    heading = f'<div class="act-title"><b>{safe(title)}</b></div>'
    if not lines:
        return f'<div class="act-panel">{heading}<div class="act-empty">{safe(empty)}</div></div>'
    body = "".join(
        f'<div title="{safe(words)}"><span class="muted">{safe(at)}</span> '
        f"<span{_class(shade)}>{safe(words)}</span></div>"
        for at, words, shade in lines
    )
    return f'<div class="act-panel">{heading}<div class="act-events">{body}</div></div>'


def _cell(key: str, value: str, title: str = "") -> str:
    hint = f' title="{safe(title)}"' if title else ""
    return f'<div{hint}>{_key(key)}<div class="act-value">{value}</div></div>'


def _key(text: str) -> str:
    return f'<div class="act-key">{safe(text)}</div>'


def _badge(mode: str) -> str:
    return f'<span class="act-badge {safe(mode)}">{safe(mode.upper() or "NO BOT")}</span>'


def _state(sign: Sign) -> str:
    if sign.beat is None:
        return '<span class="down">never started</span>'
    if sign.pulse is Pulse.DEAD:
        return f'<span class="down">dead</span> <span class="muted">was {safe(sign.beat.state)}</span>'
    return f'<span class="{_STATE_TONE.get(sign.beat.state, "flat")}">{safe(sign.beat.state)}</span>'


def _heartbeat(sign: Sign) -> str:
    if sign.beat is None:
        return f'<span class="down">{ABSENT}</span>'
    shown = f"{sign.age_seconds:.1f} s" if sign.age_seconds < 10 else duration(sign.age_seconds)
    word = {Pulse.SUSPECT: " late", Pulse.DEAD: " dead"}.get(sign.pulse, "")
    return f'<span class="{_PULSE_TONE[sign.pulse]}">{shown}{word}</span>'


def _stream(stream: Stream) -> str:
    if not stream.up:
        return _live("down", "down")
    late = stream.age_ms >= _STALE_STREAM_MS
    return _live(f"{age(stream.age_ms)}{' stale' if late else ''}", "warn" if late else "")


def _times(now_ms: int, market_ms: int) -> str:
    if not market_ms or abs(now_ms - market_ms) < _MARKET_IS_ELSEWHERE_MS:
        return day(now_ms)
    return f'<span class="muted">market</span> {_live(day(market_ms))} <span class="muted">wall</span> {clock(now_ms)}'


def _live(text: str, shade: str = "") -> str:
    return f'<span class="act-live {shade}">{safe(text)}</span>'


def _tile(tile: Tile) -> str:
    hint = f' title="{safe(tile.title)}"' if tile.title else ""
    return (
        f'<div class="act-tile"{hint}>{_key(tile.label)}'
        f'<div class="act-big {tile.tone}">{safe(tile.value)}</div>'
        f'<div class="act-note">{safe(tile.note) or "&nbsp;"}</div></div>'
    )


def _td(cell: Cell) -> str:
    shade = f"{'num ' if cell.numeric else ''}{cell.tone}".strip()
    hint = f' title="{safe(cell.title)}"' if cell.title else ""
    return f"<td{_class(shade)}{hint}>{safe(cell.text)}</td>"


def _class(name: str) -> str:
    return f' class="{name}"' if name else ""
