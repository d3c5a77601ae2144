import asyncio

from dashboard.alerts.courier import Courier, Root, State
from dashboard.alerts.message import Busy, Message, Refused, Severity
from dashboard.alerts.rules import Loudness


class ListChannel:
    """A channel that keeps what it is given, or fails as told first."""

    name = "list"
    paced = False

    def __init__(self, *failures):
        self.failures = list(failures)
        self.sent = []
        self.revised = []

    async def send(self, message, root):
        if self.failures:
            raise self.failures.pop(0)
        self.sent.append((message.key, root))
        return f"C1:{len(self.sent)}"

    async def revise(self, root, first, result):
        self.revised.append((root, first.key, result.key))


class MemoryLedger:
    """Deliveries kept in a dictionary."""

    def __init__(self):
        self.states = {}
        self.roots = {}

    def record(self, messages, state, *, reference="", attempts=0, detail=""):
        for message in messages:
            self.states[message.key] = state
            if reference and message.thread:
                self.roots.setdefault(message.thread, Root(reference, message))

    def state(self, key):
        return self.states.get(key)

    def root(self, thread):
        return self.roots.get(thread)


def a_message(key, severity=Severity.INFO, **fields):
    return Message(key, 0, severity, "entry", "BTCUSDT", f"headline {key}", **fields)


def a_courier(*failures, ledger=None, limit=200):
    channel, kept = ListChannel(*failures), ledger or MemoryLedger()
    return Courier(channel, kept, limit), channel, kept


async def carry(courier, done):
    stop = asyncio.Event()
    task = asyncio.create_task(courier.run(stop))
    async with asyncio.timeout(10):
        while not done():  # noqa: ASYNC110 - the channel under test is a plain list
            await asyncio.sleep(0.001)
    stop.set()
    await task


async def test_a_thread_is_replied_to_and_its_first_message_gets_the_result():
    courier, channel, ledger = a_courier()
    courier.offer(a_message("a1", thread="t"), Loudness.ON, 1)
    courier.offer(a_message("a2", thread="t", result=True), Loudness.ON, 2)
    assert courier.settled_up_to(2) == 0
    await carry(courier, lambda: channel.revised)
    assert channel.sent == [("a1", ""), ("a2", "C1:1")]
    assert channel.revised == [("C1:1", "a1", "a2")]
    assert ledger.states == {"a1": State.SENT, "a2": State.SENT}
    assert courier.settled_up_to(2) == 2


async def test_a_busy_channel_is_tried_again_when_it_says_so():
    courier, channel, ledger = a_courier(Busy(0.01))
    courier.offer(a_message("a1"), Loudness.ON, 1)
    await carry(courier, lambda: channel.sent)
    assert ledger.states == {"a1": State.SENT}


async def test_a_refused_message_is_given_up_and_the_next_one_goes():
    courier, channel, ledger = a_courier(Refused("invalid_blocks"))
    courier.offer(a_message("a1"), Loudness.ON, 1)
    courier.offer(a_message("a2"), Loudness.ON, 2)
    await carry(courier, lambda: channel.sent)
    assert ledger.states == {"a1": State.FAILED, "a2": State.SENT}


def test_what_is_settled_turned_off_or_of_unknown_fate_is_not_queued():
    courier, _, ledger = a_courier()
    ledger.states |= {"sent": State.SENT, "maybe": State.SENDING}
    courier.offer(a_message("sent"), Loudness.ON, 1)
    courier.offer(a_message("maybe"), Loudness.ON, 2)
    courier.offer(a_message("off"), Loudness.OFF, 3)
    assert courier.waiting == 0
    assert ledger.states == {"sent": State.SENT, "maybe": State.UNKNOWN, "off": State.SKIPPED}


def test_a_critical_message_of_unknown_fate_is_sent_again():
    courier, _, ledger = a_courier()
    ledger.states["halt"] = State.SENDING
    courier.offer(a_message("halt", Severity.CRITICAL), Loudness.ON, 1)
    assert courier.waiting == 1


def test_what_a_full_queue_drops_is_settled_as_dropped():
    courier, _, ledger = a_courier(limit=2)
    for number in range(1, 5):
        courier.offer(a_message(f"a{number}"), Loudness.ON, number)
    assert courier.waiting == 2
    assert list(ledger.states.values()) == [State.DROPPED, State.DROPPED]
