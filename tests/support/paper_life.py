"""One life of a paper bot after another: core, shell, database and paper exchange on a scripted market."""

import json

from bot.domain.account import AccountSettings
from bot.domain.events import CandleClosed, SnapshotTaken
from bot.exchange.simulated.paper import PaperExchange
from bot.runtime.loop import Shell
from bot.runtime.market import Market
from bot.runtime.recovery import Recovery
from bot.runtime.startup import set_up_account
from bot.trading.engine import Engine
from database import ledger
from database.session import act_url
from support.clocks import TestClock
from support.core_bench import Says, a_plan
from support.database_rows import a_store
from support.paper import ACCOUNT, BTC, ScriptedMarket


class Killed(BaseException):
    """The process is gone: nothing after this line happened."""


class MortalStore:
    """The database of a process that dies with a commit: right after it, or only when the next one is due.

    In between lies what the commit was for: `acts` says whether the exchange still got those commands.
    """

    def __init__(self, store, commits_left, *, acts):
        self._store = store
        self._commits_left = commits_left
        self._acts = acts
        self.commits = 0

    def commit(self, rows):
        if self._acts and self.commits == self._commits_left:
            raise Killed
        self._store.commit(rows)
        self.commits += 1
        if not self._acts and self.commits == self._commits_left:
            raise Killed

    def __getattr__(self, name):
        return getattr(self._store, name)


class Life:
    """A process: `begin` it, show its market something, and look at what it wrote."""

    def __init__(self, home, market=None, *, dies_after=None, acts=True, **plan):
        self.market = market or ScriptedMarket()
        self._home = home
        self._clock = TestClock()
        self._store = a_store(home)
        self.store = MortalStore(self._store, dies_after, acts=acts)
        self.plan = a_plan(mode="paper", **plan)

    async def begin(self):
        """Start as the service does: account, streams, history, snapshot."""
        books = self.store.books()
        self.exchange = PaperExchange(self.market, ACCOUNT, books)
        instruments = await self.exchange.instruments((BTC,))
        await set_up_account(self.exchange, (BTC,), self.plan.account)
        brackets = await self.exchange.brackets((BTC,))
        self.strategy = Says(instruments[0])
        self.engine = Engine(self.plan, {BTC: self.strategy}, instruments, brackets, books)
        market = Market((BTC,), self.plan.risk.volatility_percent)
        self.shell = Shell(self.engine, self.store, self.exchange, market)
        market.on_candle = lambda candle: self.shell.on_event(CandleClosed(candle.close_time, candle))
        self.recovery = Recovery(self.shell, self.store, self.exchange, self._clock, (BTC,))
        self.shell.on_reconcile = self._asked
        self.asked = []
        await self.exchange.open_streams((BTC,), self.shell)
        await self.recovery.first()
        self.shell.release()
        if self.asked:
            await self._recover()
        return self

    def end(self):
        """Let go of the database, as the end of a process does."""
        self._store.close()

    def candle(self, candle, flags=0):
        self.strategy.flags = flags
        self.market.close_candle(candle)

    async def _recover(self):
        """Do what the service does when the core asks to read the account again."""
        self.asked.clear()
        for event in await self.exchange.history(self.store.history_mark((BTC,))):
            self.shell.handle(event)
        self.shell.on_event(SnapshotTaken(self.shell.market_ms(), await self.exchange.snapshot((BTC,))))

    def _asked(self, reason):
        self.asked.append(reason)

    @property
    def view(self):
        return self.engine.view()

    def books(self):
        """What `act ledger` shows."""
        return json.loads(ledger.canonical(act_url(self._home)))

    async def settings(self) -> AccountSettings:
        return await self.exchange.account_settings((BTC,))
