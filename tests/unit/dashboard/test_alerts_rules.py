import pytest

from bot.domain.errors import ConfigurationError
from dashboard.alerts.message import Message, Severity, retry_after
from dashboard.alerts.rules import Loudness, Rules, severity_of
from dashboard.alerts.slack import SLACK_API, SlackHook, escape


def a_message(severity=Severity.INFO, event="entry"):
    return Message("a1", 0, severity, event, "BTCUSDT", "headline")


def test_events_are_on_unless_turned_silent_or_off():
    rules = Rules("act-1", {"entry": "silent", "start": "off"})
    assert rules.loudness(a_message(event="entry")) is Loudness.SILENT
    assert rules.loudness(a_message(event="start")) is Loudness.OFF
    assert rules.loudness(a_message(event="exit")) is Loudness.ON


def test_a_critical_alert_cannot_be_turned_off():
    rules = Rules("act-1", {"halt": "off"})
    assert rules.loudness(a_message(Severity.CRITICAL, "halt")) is Loudness.ON


def test_the_first_line_carries_mode_and_name_and_stays_one_line():
    line = Rules("act-1").headline("paper", "LONG BTCUSDT filled 0.004\n@ 64,210.5")
    assert line == "[PAPER] act-1 · LONG BTCUSDT filled 0.004 @ 64,210.5"


def test_an_unknown_severity_counts_as_a_warning():
    assert severity_of("LOUD") is Severity.WARNING


@pytest.mark.parametrize(
    ("header", "seconds"), [("3", 3.0), (None, 1.0), ("soon", 1.0), ("-5", 0.1), ("999999", 3_600.0), ("nan", 1.0)]
)
def test_retry_after_is_read_within_reason(header, seconds):
    assert retry_after(header) == seconds


def test_slack_markup_in_outside_text_is_escaped():
    assert escape("<!channel> & <@U1>") == "&lt;!channel&gt; &amp; &lt;@U1&gt;"


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/services/x",
        "http://hooks.slack.com/services/x",
        "https://hooks.slack.com.example.org/x",
        "not a url",
    ],
)
def test_a_webhook_elsewhere_than_slack_is_refused(url):
    with pytest.raises(ConfigurationError, match=r"hooks\.slack\.com"):
        SlackHook(url)


def test_a_refused_webhook_address_is_not_repeated_in_the_error():
    with pytest.raises(ConfigurationError) as caught:
        SlackHook("https://example.org/services/T0/B0/secret")
    assert "secret" not in str(caught.value)


def test_webhooks_of_slack_and_of_this_machine_are_taken():
    assert SlackHook("https://hooks.slack.com/services/T0/B0/x").name == "slack-webhook"
    assert SlackHook("http://127.0.0.1:9999/x").name == "slack-webhook"
    assert SLACK_API.startswith("https://")
