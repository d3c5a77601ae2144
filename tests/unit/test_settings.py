from decimal import Decimal

import pytest

from bot.domain.errors import ConfigurationError
from bot.settings import load, secret


def write(folder, text):
    (folder / "act.toml").write_text(text)
    return folder


def test_a_missing_file_means_defaults(tmp_path):
    settings = load(tmp_path)
    assert settings.mode == "paper"
    assert settings.risk.daily_loss == Decimal(500)


def test_numbers_in_toml_become_exact_decimals(tmp_path):
    settings = load(write(tmp_path, "[risk]\ndaily_loss = 0.1\n"))
    assert settings.risk.daily_loss == Decimal("0.1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[risk]\ndaily_los = 3\n", "unknown key risk.daily_los. Did you mean daily_loss?"),
        ("nonsense = 1\n", "unknown key nonsense"),
        ("[symbols.BTCUSDT]\nstrategi = 'x'\n", "unknown key symbols.BTCUSDT.strategi"),
        ("[risk\n", "not valid TOML"),
        ("mode = 'liv'\n", "mode: Input should be"),
        ("[risk]\ndaily_loss = 'many'\n", "risk.daily_loss"),
        ("[costs]\nlatency_m = 3\n", "unknown key costs.latency_m. Did you mean latency_ms?"),
        ("[costs]\nvolume_share = 3\n", "costs.volume_share must lie between 0 and 1, not 3."),
        ("[costs]\ntiers = [{minute_notional = 0}]\n", "costs.tiers.0.spread_bps"),
        (
            "[costs]\ntiers = [{minute_notional = 0, spread_bps = 20001, slippage_bps = 1}]\n",
            "costs.tiers: spread_bps must be 0 or more and below 10000, not 20001.",
        ),
        ("[execution]\nattempts = 0\n", "execution.attempts must be 1 or more, not 0."),
        ("[execution]\nttl_seconds = -1\n", "execution.ttl_seconds must be 1 or more, not -1."),
        ("[risk]\ndaily_loss = -5\n", "risk.daily_loss must be more than 0, not -5."),
        ("[risk]\nmax_symbol_notional = 0\n", "risk.max_symbol_notional must be more than 0, not 0."),
        ("[risk]\nmax_symbol_share = -1\n", "risk.max_symbol_share must be more than 0, not -1."),
        ("[risk]\nvolatility_percent = 0\n", "risk.volatility_percent must be more than 0, not 0."),
        ("[risk]\nvolatility_pause_seconds = -1\n", "risk.volatility_pause_seconds must be 0 or more, not -1."),
        ("[risk]\nmax_data_age_seconds = 0\n", "risk.max_data_age_seconds must be 1 or more, not 0."),
        ("[pacing]\nmin_seconds_between_trades = -1\n", "pacing.min_seconds_between_trades must be 0 or more"),
        ("[account]\nleverage = 0\n", "account.leverage must lie between 1 and 125, not 0."),
        ("[paper]\nbalance = 0\n", "paper.balance: Input should be greater than 0"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_key(tmp_path, text, message):
    with pytest.raises(ConfigurationError, match=message.split(".")[0]) as caught:
        load(write(tmp_path, text))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_costs_are_read_as_they_are_written(tmp_path):
    tiers = "tiers = [{minute_notional = 0, spread_bps = 1.5, slippage_bps = 2}]"
    settings = load(write(tmp_path, f"[costs]\ntaker_rate = 0.0004\n{tiers}\n[symbols.BTCUSDT]\n"))
    (tier,) = settings.costs.tiers
    assert (tier.minute_notional, tier.spread_bps, tier.slippage_bps) == (0, Decimal("1.5"), 2)
    assert settings.core_plan("1").taker_rate == Decimal("0.0004")


def test_the_environment_wins_over_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv("ACT_RISK__DAILY_LOSS", "77.5")
    assert load(write(tmp_path, "[risk]\ndaily_loss = 1\n")).risk.daily_loss == Decimal("77.5")


def test_parameters_of_a_symbol_win_over_those_of_its_strategy(tmp_path):
    settings = load(
        write(
            tmp_path,
            "[symbols.BTCUSDT]\nparameters = {notional = 500}\n[strategy.vwap_reversion]\nnotional = 100\nk = 1.5\n",
        )
    )
    assert settings.core_plan("1").symbols[0].parameters == {"notional": "500", "k": "1.5"}


def test_nothing_to_trade_is_an_error(tmp_path):
    with pytest.raises(ConfigurationError, match="no symbol"):
        load(tmp_path).core_plan("1")


def test_the_hash_follows_the_values_not_the_spelling(tmp_path):
    one = load(write(tmp_path, "[risk]\ndaily_loss = 500.0\n")).config_hash()
    other = load(write(tmp_path, "[risk]\ndaily_loss = 400\n")).config_hash()
    assert one != other


def test_each_mode_has_hosts_of_its_own_and_demo_has_none(tmp_path):
    settings = load(write(tmp_path, "mode = 'demo'\n"))
    assert not settings.urls().rest
    assert settings.model_copy(update={"mode": "live"}).urls().rest.startswith("https://fapi")
    assert "testnet" in settings.model_copy(update={"mode": "testnet"}).urls().rest


def test_a_secret_is_read_from_the_variable_the_file_or_a_credential(tmp_path, monkeypatch):
    assert secret("ACT_TEST_SECRET") is None
    path = tmp_path / "test_secret"
    path.write_text("from-file\n")
    path.chmod(0o600)
    monkeypatch.setenv("ACT_TEST_SECRET_FILE", str(path))
    assert secret("ACT_TEST_SECRET").get_secret_value() == "from-file"
    monkeypatch.delenv("ACT_TEST_SECRET_FILE")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert secret("ACT_TEST_SECRET").get_secret_value() == "from-file"
    monkeypatch.setenv("ACT_TEST_SECRET", "direct")
    assert secret("ACT_TEST_SECRET").get_secret_value() == "direct"
    assert "direct" not in repr(secret("ACT_TEST_SECRET"))


def test_a_secret_file_that_others_may_read_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "key"
    path.write_text("x")
    path.chmod(0o644)
    monkeypatch.setenv("ACT_TEST_SECRET_FILE", str(path))
    with pytest.raises(ConfigurationError, match="chmod 600"):
        secret("ACT_TEST_SECRET")
