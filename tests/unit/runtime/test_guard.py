"""No part of the simulation may be in a process that trades on an exchange."""

import pytest

from bot.domain.errors import ConfigurationError, SimulationLoaded
from bot.runtime.guard import refuse_simulation

OURS = ("bot.app", "bot.exchange.simulated", "database.store", "strategies.vwap_reversion", "simulators", "backtesting")


def test_names_that_only_look_alike_are_let_through():
    refuse_simulation(OURS, "live")


@pytest.mark.parametrize("name", ["simulator", "simulator.venue.exchange", "backtest", "backtest.run"])
def test_a_module_of_the_simulation_is_refused_by_name(name):
    with pytest.raises(SimulationLoaded, match=rf"^{name} is loaded in a process .* \(testnet\)"):
        refuse_simulation((*OURS, name), "testnet")


def test_the_refusal_is_one_a_person_must_mend():
    assert issubclass(SimulationLoaded, ConfigurationError)
