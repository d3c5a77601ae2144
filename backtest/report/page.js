"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const UP = "#0b8a5c", DOWN = "#cc3340", CALM = "#3465c8", INK = "#1b2129", SOFT = "#5f6b7a", LINE = "#e3e7ec";
const FONT = { family: "system-ui, -apple-system, 'Segoe UI', Roboto, Arial, sans-serif", size: 12, color: SOFT };
const TOUCH = matchMedia("(pointer: coarse)").matches;
const MOST_BARS = 420;
const BAR_MINUTES = [1, 3, 5, 15, 30, 60, 120, 240, 480, 1440, 4320, 10080, 43200];
const PAGE_ROWS = 25;
const CROWD = 150;
const byId = (id) => document.getElementById(id);
const twoDigits = (count) => String(count).padStart(2, "0");
const amount = (value, places = 2) =>
  value.toLocaleString("en-US", { minimumFractionDigits: places, maximumFractionDigits: places });
const signed = (value, places = 2) => {
  const text = amount(value, places);
  if (!/[1-9]/.test(text)) return text.replace("-", "");
  return value > 0 ? `+${text}` : text;
};
const counted = (count) => (count === 1 ? "1 trade" : `${count} trades`);
const stamp = (ms) => new Date(ms).toISOString().slice(0, 16).replace("T", " ");

function held(ms) {
  const minutes = Math.floor(ms / 60000);
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h ${twoDigits(minutes % 60)}`;
  return `${Math.floor(minutes / 1440)} d ${twoDigits(Math.floor((minutes % 1440) / 60))} h`;
}

function span(ms) {
  const minutes = ms / 60000;
  if (minutes % 1440 === 0) return `${minutes / 1440}-day`;
  return minutes % 60 === 0 ? `${minutes / 60}-hour` : `${minutes}-minute`;
}

/* Equity above drawdown. */

function drawEquity() {
  const { time, equity, drawdown } = data.curve;
  if (!time.length) return;
  const floor = Math.min(data.opening, Math.min(...equity));
  const traces = [
    { x: time, y: equity, name: "Equity", mode: "lines", line: { color: CALM, width: 1.6 }, hovertemplate: "%{y:,.2f}" },
    { x: time, y: drawdown, name: "Drawdown", mode: "lines", line: { color: DOWN, width: 1 }, fill: "tozeroy",
      fillcolor: "rgba(204, 51, 64, 0.12)", yaxis: "y2", hovertemplate: "%{y:,.2f}" },
  ];
  const layout = {
    height: 400, margin: { l: 8, r: 68, t: 6, b: 28 }, font: FONT, showlegend: false, hovermode: "x unified",
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", dragmode: TOUCH ? false : "zoom",
    xaxis: { type: "date", gridcolor: LINE, anchor: "y2", hoverformat: "%Y-%m-%d %H:%M", zeroline: false },
    yaxis: { domain: [0.31, 1], side: "right", gridcolor: LINE, tickformat: ",.0f", nticks: 6, zeroline: false },
    yaxis2: { domain: [0, 0.25], side: "right", gridcolor: LINE, tickformat: ",.0f", nticks: 4, zeroline: false, rangemode: "tozero" },
    shapes: [{ type: "line", xref: "paper", x0: 0, x1: 1, y0: data.opening, y1: data.opening, line: { color: SOFT, width: 1, dash: "dot" } }],
  };
  if (floor === data.opening && Math.max(...equity) === data.opening) layout.yaxis.range = [floor * 0.99, floor * 1.01];
  Plotly.newPlot("equity", traces, layout, { responsive: true, displayModeBar: false, doubleClick: "reset" });
}

/* Candles: unpacked once for each symbol, merged into as many bars as the width can show. */

const unpacked = new Map();

async function candlesOf(place) {
  if (!unpacked.has(place)) unpacked.set(place, await unpack(data.candles[place]));
  return unpacked.get(place);
}

async function unpack(packed) {
  const bytes = Uint8Array.from(atob(packed.data), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const deltas = new Int32Array(await new Response(stream).arrayBuffer());
  const { count, start, interval, unit } = packed;
  const found = { interval, time: new Float64Array(count), open: new Float64Array(count), high: new Float64Array(count),
    low: new Float64Array(count), close: new Float64Array(count) };
  let time = start, close = packed.open;
  for (let row = 0; row < count; row++) {
    time += deltas[row] * interval;
    const open = close + deltas[count + row];
    close = open + deltas[4 * count + row];
    found.time[row] = time;
    found.open[row] = open * unit;
    found.close[row] = close * unit;
    found.high[row] = (Math.max(open, close) + deltas[2 * count + row]) * unit;
    found.low[row] = (Math.min(open, close) - deltas[3 * count + row]) * unit;
  }
  return found;
}

function firstAtOrAfter(times, wanted) {
  let low = 0, high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < wanted) low = middle + 1; else high = middle;
  }
  return low;
}

function barsOf(candles, from, to) {
  const sizes = BAR_MINUTES.map((minutes) => minutes * 60000).filter((size) => size >= candles.interval);
  const size = sizes.find((each) => (to - from) / each <= MOST_BARS) || sizes[sizes.length - 1] || candles.interval;
  const bars = { size, x: [], open: [], high: [], low: [], close: [] };
  let last = -1, place = -1;
  const end = firstAtOrAfter(candles.time, to);
  for (let row = firstAtOrAfter(candles.time, Math.floor(from / size) * size); row < end; row++) {
    const bar = Math.floor(candles.time[row] / size);
    if (bar !== last) {
      last = bar;
      place++;
      bars.x.push(bar * size);
      bars.open.push(candles.open[row]);
      bars.high.push(candles.high[row]);
      bars.low.push(candles.low[row]);
      bars.close.push(candles.close[row]);
    } else {
      bars.high[place] = Math.max(bars.high[place], candles.high[row]);
      bars.low[place] = Math.min(bars.low[place], candles.low[row]);
      bars.close[place] = candles.close[row];
    }
  }
  return bars;
}

/* Trades as objects, once. */

const trades = data.trades.map((row, number) => Object.fromEntries(
  ["symbol", "side", "quantity", "entryTime", "entry", "exitTime", "exit", "edge", "slippage", "fees", "funding", "pnl", "reason"]
    .map((name, column) => [name, row[column]]).concat([["number", number + 1], ["held", row[5] - row[3]]])));

const view = { place: 0, from: 0, to: 0, chosen: null };

function markersOf(shown, when, price, look) {
  return {
    x: shown.map((trade) => trade[when]), y: shown.map((trade) => trade[price]), mode: "markers", type: "scatter",
    marker: { size: 10, line: { color: "#ffffff", width: 1 }, ...look },
    text: shown.map((trade) => describe(trade)), hovertemplate: "%{text}<extra></extra>", showlegend: false,
    customdata: shown.map((trade) => trade.number),
  };
}

function describe(trade) {
  return `#${trade.number} ${trade.side} ${trade.quantity}<br>${stamp(trade.entryTime)} at ${trade.entry}<br>` +
    `${stamp(trade.exitTime)} at ${trade.exit}<br>${signed(trade.pnl)} USDT, ${trade.reason}`;
}

function linesOf(shown, color) {
  return {
    x: shown.flatMap((trade) => [trade.entryTime, trade.exitTime, null]),
    y: shown.flatMap((trade) => [trade.entry, trade.exit, null]),
    mode: "lines", type: "scatter", line: { color, width: 1.4 }, hoverinfo: "skip", showlegend: false,
  };
}

function pathsOf(shown, won, lost) {
  const long = shown.filter((trade) => trade.side === "LONG"), short = shown.filter((trade) => trade.side === "SHORT");
  return [
    linesOf(won, UP), linesOf(lost, DOWN),
    markersOf(long, "entryTime", "entry", { symbol: "triangle-up", color: CALM, size: 12 }),
    markersOf(short, "entryTime", "entry", { symbol: "triangle-down", color: "#8a4fc4", size: 12 }),
    markersOf(won, "exitTime", "exit", { symbol: "diamond", color: UP }),
    markersOf(lost, "exitTime", "exit", { symbol: "diamond", color: DOWN }),
  ];
}

/* So many that they would hide the candles: only where each ended, small. */
function crowdOf(won, lost) {
  const look = { symbol: "circle", size: 5, opacity: 0.6, line: { width: 0 } };
  return [markersOf(won, "exitTime", "exit", { ...look, color: UP }), markersOf(lost, "exitTime", "exit", { ...look, color: DOWN })];
}

async function drawCandles() {
  const candles = await candlesOf(view.place);
  const symbol = data.candles[view.place].symbol;
  const bars = barsOf(candles, view.from, view.to);
  const shown = trades.filter((trade) => trade.symbol === symbol && trade.exitTime >= view.from && trade.entryTime <= view.to);
  const crowded = shown.length > CROWD;
  const won = shown.filter((trade) => trade.pnl > 0), lost = shown.filter((trade) => trade.pnl <= 0);
  const traces = [
    { type: "candlestick", x: bars.x, open: bars.open, high: bars.high, low: bars.low, close: bars.close, name: symbol,
      increasing: { line: { color: "#86b9a5", width: 1 }, fillcolor: "#b9dccd" },
      decreasing: { line: { color: "#dba3a8", width: 1 }, fillcolor: "#efcfd2" }, showlegend: false, hoverinfo: "skip" },
    ...(crowded ? crowdOf(won, lost) : pathsOf(shown, won, lost)),
  ];
  const layout = {
    height: 460, margin: { l: 8, r: 74, t: 6, b: 30 }, font: FONT, hovermode: "closest", dragmode: TOUCH ? false : "pan",
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false,
    xaxis: { type: "date", range: [view.from, view.to], gridcolor: LINE, rangeslider: { visible: false }, zeroline: false },
    yaxis: { side: "right", gridcolor: LINE, fixedrange: true, range: priceRange(bars, shown), tickformat: ",.6~f", zeroline: false },
    shapes: view.chosen && view.chosen.symbol === symbol ? [{ type: "rect", xref: "x", yref: "paper", x0: view.chosen.entryTime,
      x1: Math.max(view.chosen.exitTime, view.chosen.entryTime + bars.size), y0: 0, y1: 1, fillcolor: "rgba(52, 101, 200, 0.07)", line: { width: 0 }, layer: "below" }] : [],
  };
  await Plotly.react("candles", traces, layout, { responsive: true, displayModeBar: false, scrollZoom: !TOUCH, doubleClick: false });
  byId("bar").textContent = `${span(bars.size)} candles, ${counted(shown.length)} in view${crowded ? ", exits only" : ""}`;
}

function priceRange(bars, shown) {
  let low = Infinity, high = -Infinity;
  for (const price of bars.low) low = Math.min(low, price);
  for (const price of bars.high) high = Math.max(high, price);
  for (const trade of shown) {
    if (trade.entryTime >= view.from) { low = Math.min(low, trade.entry); high = Math.max(high, trade.entry); }
    if (trade.exitTime <= view.to) { low = Math.min(low, trade.exit); high = Math.max(high, trade.exit); }
  }
  const room = (high - low) * 0.06 || high * 0.001;
  return Number.isFinite(low) ? [low - room, high + room] : [0, 1];
}

function bounds() {
  const packed = data.candles[view.place];
  const candles = unpacked.get(view.place);
  const last = candles && packed.count ? candles.time[packed.count - 1] + packed.interval : data.to;
  return [packed.start, last];
}

async function show(from, to) {
  const [first, last] = bounds();
  const least = 20 * data.candles[view.place].interval;
  const width = Math.min(Math.max(to - from, least), Math.max(last - first, least));
  view.from = Math.min(Math.max(from, first), Math.max(first, last - width));
  view.to = view.from + width;
  await drawCandles();
}

async function showAll() {
  await candlesOf(view.place);
  await show(...bounds());
}

async function showTrade(trade) {
  view.chosen = trade;
  view.place = Math.max(0, data.candles.findIndex((each) => each.symbol === trade.symbol));
  byId("symbol").value = String(view.place);
  await candlesOf(view.place);
  const room = Math.max(trade.held * 0.6, 45 * data.candles[view.place].interval);
  await show(trade.entryTime - room, trade.exitTime + room);
  byId("told").textContent = `#${trade.number} ${trade.side} ${trade.quantity} ${trade.symbol}: ${stamp(trade.entryTime)} at ` +
    `${trade.entry}, ${stamp(trade.exitTime)} at ${trade.exit}, ${trade.reason} after ${held(trade.held)}, ${signed(trade.pnl)} USDT`;
  markChosen();
}

function step(direction) {
  const shown = sorted();
  if (!shown.length) return;
  const at = shown.indexOf(view.chosen);
  const next = at === -1 ? (direction > 0 ? 0 : shown.length - 1) : Math.min(shown.length - 1, Math.max(0, at + direction));
  list.page = Math.floor(next / PAGE_ROWS);
  fillList();
  showTrade(shown[next]);
}

function zoom(factor) {
  const middle = (view.from + view.to) / 2, half = ((view.to - view.from) * factor) / 2;
  show(middle - half, middle + half);
}

function pan(share) {
  const by = (view.to - view.from) * share;
  show(view.from + by, view.to + by);
}

let waiting = 0;

function moved(change) {
  const range = change["xaxis.range"] || (change["xaxis.range[0]"] && [change["xaxis.range[0]"], change["xaxis.range[1]"]]);
  if (!range) return;
  const [from, to] = range.map((edge) => (typeof edge === "number" ? edge : Date.parse(edge.replace(" ", "T") + "Z")));
  if (!Number.isFinite(from) || !Number.isFinite(to)) return;
  clearTimeout(waiting);
  waiting = setTimeout(() => show(from, to), 60);
}

/* The list of trades. */

const list = { key: "number", down: false, page: 0, symbol: "", reason: "" };
const COLUMNS = [
  ["number", "#", (trade) => trade.number], ["symbol", "Symbol", (trade) => trade.symbol, "left"],
  ["side", "Side", (trade) => trade.side, "left"], ["quantity", "Quantity", (trade) => trade.quantity],
  ["entryTime", "Entry (UTC)", (trade) => stamp(trade.entryTime)], ["entry", "Price", (trade) => trade.entry],
  ["exitTime", "Exit (UTC)", (trade) => stamp(trade.exitTime)], ["exit", "Price", (trade) => trade.exit],
  ["held", "Held", (trade) => held(trade.held)], ["reason", "Reason", (trade) => trade.reason, "left reason"],
  ["edge", "Edge", (trade) => signed(trade.edge)], ["slippage", "Slippage", (trade) => signed(-trade.slippage)],
  ["fees", "Fees", (trade) => signed(-trade.fees)], ["funding", "Funding", (trade) => signed(trade.funding)],
  ["pnl", "PnL", (trade) => signed(trade.pnl)],
];

function sorted() {
  const chosen = trades.filter((trade) => (!list.symbol || trade.symbol === list.symbol) && (!list.reason || trade.reason === list.reason));
  const sign = list.down ? -1 : 1;
  return chosen.sort((one, two) => {
    const a = one[list.key], b = two[list.key];
    return sign * (a < b ? -1 : a > b ? 1 : 0) || one.number - two.number;
  });
}

function cell(tag, text, kind) {
  const made = document.createElement(tag);
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function fillList() {
  const shown = sorted();
  const pages = Math.max(1, Math.ceil(shown.length / PAGE_ROWS));
  list.page = Math.min(Math.max(0, list.page), pages - 1);
  const body = byId("list").tBodies[0];
  body.replaceChildren(...shown.slice(list.page * PAGE_ROWS, (list.page + 1) * PAGE_ROWS).map((trade) => {
    const row = document.createElement("tr");
    row.dataset.number = trade.number;
    for (const [key, , text, kind] of COLUMNS) {
      row.append(cell("td", text(trade), key === "pnl" ? (trade.pnl > 0 ? "up" : trade.pnl < 0 ? "down" : "flat") : kind));
    }
    row.addEventListener("click", () => { showTrade(trade); byId("candles").scrollIntoView({ block: "center" }); });
    return row;
  }));
  byId("pages").textContent = `${counted(shown.length)}, page ${list.page + 1} of ${pages}`;
  for (const button of byId("list").querySelectorAll("th button")) {
    const on = button.dataset.key === list.key;
    button.textContent = button.dataset.word + (on ? (list.down ? " \u25BE" : " \u25B4") : "");
    button.parentElement.setAttribute("aria-sort", on ? (list.down ? "descending" : "ascending") : "none");
  }
  markChosen();
}

function markChosen() {
  for (const row of byId("list").tBodies[0].rows) {
    row.classList.toggle("chosen", view.chosen !== null && Number(row.dataset.number) === view.chosen.number);
  }
}

function options(select, words, first) {
  const made = first === undefined ? [] : [[first, ""]];
  for (const [word, value] of made.concat(words)) {
    const option = cell("option", word);
    option.value = value;
    select.append(option);
  }
}

function buildList() {
  const head = byId("list").tHead.rows[0];
  for (const [key, word, , kind] of COLUMNS) {
    const button = cell("button", word);
    button.dataset.key = key;
    button.dataset.word = word;
    button.addEventListener("click", () => {
      list.down = list.key === key ? !list.down : ["pnl", "held", "edge"].includes(key);
      list.key = key;
      list.page = 0;
      fillList();
    });
    const th = document.createElement("th");
    th.className = kind || "";
    th.append(button);
    head.append(th);
  }
  const distinct = (name) => [...new Set(trades.map((trade) => trade[name]))].sort().map((word) => [word, word]);
  options(byId("only"), distinct("symbol"), "All symbols");
  options(byId("why"), distinct("reason"), "All reasons");
  for (const [id, key] of [["only", "symbol"], ["why", "reason"]]) {
    byId(id).addEventListener("change", (event) => { list[key] = event.target.value; list.page = 0; fillList(); });
  }
  byId("back").addEventListener("click", () => { list.page--; fillList(); });
  byId("next").addEventListener("click", () => { list.page++; fillList(); });
  fillList();
}

async function buildCandles() {
  if (!data.candles.length) return;
  options(byId("symbol"), data.candles.map((each, place) => [each.symbol, String(place)]));
  byId("symbol").addEventListener("change", (event) => { view.place = Number(event.target.value); view.chosen = null; byId("told").textContent = ""; markChosen(); showAll(); });
  const clicks = { all: showAll, closer: () => zoom(0.5), wider: () => zoom(2), left: () => pan(-0.5), right: () => pan(0.5),
    earlier: () => step(-1), later: () => step(1) };
  for (const [id, act] of Object.entries(clicks)) byId(id).addEventListener("click", act);
  if (typeof DecompressionStream === "undefined") {
    byId("candles").textContent = "This browser is too old to unpack the candles; everything else is complete.";
    return;
  }
  await showAll();
  byId("candles").on("plotly_relayout", moved);
  byId("candles").on("plotly_click", (event) => {
    const number = event.points[0].customdata;
    if (number) showTrade(trades[number - 1]);
  });
}

drawEquity();
buildList();
buildCandles().then(() => { document.body.dataset.ready = "yes"; });
