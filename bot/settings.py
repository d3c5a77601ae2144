"""Settings: one frozen tree from `act.toml` and the environment. Unknown keys are refused; secrets never stand here."""

import hashlib
import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import asdict
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, override

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from bot.domain.errors import ConfigurationError
from bot.trading.limits import AccountRules, CorePlan, Costs, ExecutionRules, PacingLimits, RiskLimits, SymbolPlan

Mode = Literal["demo", "paper", "testnet", "live", "backtest"]

_NO_ENVIRONMENT = "ACT_SETTINGS_ARE_COMPLETE_"

_HOSTS = {
    "live": ("https://fapi.binance.com", "wss://ws-fapi.binance.com/ws-fapi/v1", "wss://fstream.binance.com"),
    "testnet": (
        "https://testnet.binancefuture.com",
        "wss://testnet.binancefuture.com/ws-fapi/v1",
        "wss://fstream.binancefuture.com",
    ),
}


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SymbolSection(_Section):
    """`[symbols.BTCUSDT]`: which strategy trades it, and parameters that differ from `[strategy.<name>]`."""

    strategy: str = "vwap_reversion"
    """The file in strategies/ that decides on this symbol."""
    parameters: dict[str, str | int | Decimal | bool] = Field(default_factory=dict)
    """Parameters that differ on this symbol from those of the strategy's section."""


class DatabaseSection(_Section):
    """`[database]`: where the tables live. Empty URLs mean SQLite files in `status/`."""

    url: str = ""
    """Database URL of the bot; empty = the SQLite file status/act.db."""
    desk_url: str = ""
    """Database URL of what people ask and what became of alerts; empty = status/desk.db."""
    synchronous: Literal["NORMAL", "FULL"] = "NORMAL"
    """SQLite's own word: FULL also survives a power loss, at a slower commit."""


class AlertsSection(_Section):
    """`[alerts]`: read by the alerts process. `events` turns single events on, silent or off."""

    name: str = "act-1"
    """Name of this bot in the first line of every alert."""
    channel: str = ""
    """Slack channel id for alerts sent with a bot token."""
    critical_channel: str = ""
    """Slack channel id for CRITICAL ones; empty = the same."""
    webhook_url: str = ""
    """Your own JSON webhook; empty = none."""
    events: dict[str, Literal["on", "silent", "off"]] = Field(default_factory=dict)
    """Single events: on, silent (next digest) or off; a CRITICAL one is always sent."""


class PaperSection(_Section):
    """`[paper]`: the account that paper trading pretends to have."""

    balance: Decimal = Field(default=Decimal(10_000), gt=0)
    """Opening wallet in USDT at the first start; afterwards the books go on."""


class EndpointsSection(_Section):
    """`[endpoints]`: every URL of the exchange. Empty = the mode's own host."""

    rest: str = ""
    """REST."""
    ws_api: str = ""
    """WebSocket API."""
    market: str = ""
    """Streams of candles and mark prices."""
    public: str = ""
    """Streams of best prices."""
    private: str = ""
    """User data stream."""


class SimulatorSection(_Section):
    """`[simulator]`: how much faster than the wall its market runs; its URLs stand in `[endpoints]`."""

    speed: Decimal = Field(default=Decimal(1), gt=0)
    """Market seconds in a second."""


class Settings(BaseSettings):
    """The whole configuration. `mode` is shown everywhere."""

    model_config = SettingsConfigDict(env_prefix="ACT_", env_nested_delimiter="__", extra="forbid", frozen=True)

    mode: Mode = "paper"
    """demo, paper, testnet, live or backtest; shown everywhere."""
    account: AccountRules = AccountRules()
    symbols: dict[str, SymbolSection] = Field(default_factory=dict)
    strategy: dict[str, dict[str, str | int | Decimal | bool]] = Field(default_factory=dict)
    """Parameters by strategy, for every symbol it trades."""
    execution: ExecutionRules = ExecutionRules()
    risk: RiskLimits = RiskLimits()
    pacing: PacingLimits = PacingLimits()
    costs: Costs = Costs()
    database: DatabaseSection = DatabaseSection()
    alerts: AlertsSection = AlertsSection()
    paper: PaperSection = PaperSection()
    endpoints: EndpointsSection = EndpointsSection()
    simulator: SimulatorSection = SimulatorSection()

    @override
    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, init_settings

    def core_plan(self, code_version: str) -> CorePlan:
        """Return what the core is told; raises ConfigurationError when there is nothing to trade."""
        if not self.symbols:
            raise ConfigurationError("act.toml: no symbol is configured. Add a section such as [symbols.BTCUSDT].")
        return CorePlan(
            symbols=tuple(self._symbol_plan(name, section) for name, section in sorted(self.symbols.items())),
            execution=self.execution,
            risk=self.risk,
            pacing=self.pacing,
            account=self.account,
            taker_rate=self.costs.taker_rate,
            maker_rate=self.costs.maker_rate,
            config_hash=self.config_hash(),
            code_version=code_version,
            mode=self.mode,
        )

    def _symbol_plan(self, name: str, section: SymbolSection) -> SymbolPlan:
        merged = {**self.strategy.get(section.strategy, {}), **section.parameters}
        return SymbolPlan(name.upper(), section.strategy, {key: str(value) for key, value in merged.items()})

    def resolved(self) -> str:
        """Return the resolved configuration as canonical JSON; it holds no secret."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))

    def config_hash(self) -> str:
        """Return the first 12 hex digits of the SHA-256 of the resolved configuration."""
        return hashlib.sha256(self.resolved().encode()).hexdigest()[:12]

    def urls(self) -> EndpointsSection:
        """Return every URL; those not given are the mode's own, paper reads the live market."""
        if self.mode == "demo":
            return self.endpoints
        rest, ws_api, streams = _HOSTS["testnet" if self.mode == "testnet" else "live"]
        given = self.endpoints
        return EndpointsSection(
            rest=given.rest or rest,
            ws_api=given.ws_api or ws_api,
            market=given.market or f"{streams}/market",
            public=given.public or f"{streams}/public",
            private=given.private or f"{streams}/private",
        )


def home() -> Path:
    """Return the folder that holds `act.toml`, `status/` and `logs/`: ACT_HOME, or where we stand."""
    return Path(os.environ.get("ACT_HOME") or ".").resolve()


def load(folder: Path) -> Settings:
    """Read `act.toml` of a folder and the environment; raises ConfigurationError naming the key and the cure."""
    path = folder / "act.toml"
    return _build(_read_toml(path), path)


def overlay(settings: Settings, changes: Mapping[str, Any]) -> Settings:
    """Return the settings with some keys changed, over file and environment; `changes` is a tree like the file's.

    Raises ConfigurationError naming the key.
    """
    tree = _merged(settings.model_dump(), changes)
    try:
        return Settings(**{"_env_prefix": _NO_ENVIRONMENT, **tree})
    except ValidationError as error:
        raise ConfigurationError(_first_complaint(error)) from error


def _merged(tree: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(tree)
    for key, change in changes.items():
        before = merged.get(key)
        merged[key] = _merged(before, change) if isinstance(before, Mapping) and isinstance(change, Mapping) else change
    return merged


def _read_toml(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path.name} is not valid TOML: {error}. Correct that line.") from error
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}. Check its owner and mode.") from error


def _build(values: dict[str, Any], path: Path) -> Settings:
    try:
        return Settings(**values)
    except ValidationError as error:
        raise ConfigurationError(f"{path.name}: {_first_complaint(error)}") from error
    except ValueError as error:  # the environment source could not parse a nested value
        raise ConfigurationError(f"environment: {error}. Check the ACT_... variables.") from error


def _first_complaint(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] in {"extra_forbidden", "unexpected_keyword_argument"}:
        return f"unknown key {where}.{_suggestion(first['loc'])} Remove it or correct its name."
    return f"{where}: {first['msg']} (got {first.get('input')!r}). Correct the value."


def _suggestion(location: tuple[int | str, ...]) -> str:
    section = str(location[0]) if len(location) > 1 else ""
    match section:
        case "risk":
            known = asdict(RiskLimits())
        case "pacing":
            known = asdict(PacingLimits())
        case "execution":
            known = asdict(ExecutionRules())
        case "account":
            known = asdict(AccountRules())
        case "costs":
            known = asdict(Costs())
        case _:
            known = dict.fromkeys(Settings.model_fields)
    near = get_close_matches(str(location[-1]), list(known), n=1)
    return f" Did you mean {near[0]}?" if near else ""


def secret(name: str) -> SecretStr | None:
    """Read a secret: the variable, else the file it names with `_FILE`, else a systemd credential; None = not given.

    Raises ConfigurationError for a secret file that others may read.
    """
    if value := os.environ.get(name):
        return SecretStr(value)
    if given := os.environ.get(f"{name}_FILE"):
        return SecretStr(_read_secret_file(Path(given)))
    credential = Path(os.environ.get("CREDENTIALS_DIRECTORY", "/nonexistent")) / name.removeprefix("ACT_").lower()
    return SecretStr(credential.read_text(encoding="utf-8").strip()) if credential.is_file() else None


def _read_secret_file(path: Path) -> str:
    try:
        if path.stat().st_mode & 0o077:
            raise ConfigurationError(f"{path.name} can be read by others. Run: chmod 600 {path}")
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigurationError(f"the secret file {path} cannot be read: {error.strerror}.") from error
