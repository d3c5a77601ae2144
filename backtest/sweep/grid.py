"""Which combinations a sweep tries: `--param` ranges and lists, their product, and who is whose neighbour."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from math import prod
from typing import Final

from bot.domain.errors import ConfigurationError
from bot.domain.money import plain

MOST_COMBINATIONS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Axis:
    """One parameter and its values as text. Numbers stand in ascending order, so that the next one is a neighbour."""

    name: str
    values: tuple[str, ...]
    is_numeric: bool

    @property
    def is_setting(self) -> bool:
        """Return whether the name is a path in the settings (risk.daily_loss), not a parameter of the strategy."""
        return "." in self.name


@dataclass(frozen=True, slots=True)
class Grid:
    """The product of all axes. Combinations are numbered from 0, the last axis changing fastest."""

    axes: tuple[Axis, ...]

    def __len__(self) -> int:
        return prod(len(axis.values) for axis in self.axes)

    def places(self, number: int) -> tuple[int, ...]:
        """Return a combination's place on each axis."""
        found: list[int] = []
        for axis in reversed(self.axes):
            number, place = divmod(number, len(axis.values))
            found.append(place)
        return tuple(reversed(found))

    def number(self, places: Sequence[int]) -> int:
        """Return the combination at these places."""
        number = 0
        for axis, place in zip(self.axes, places, strict=True):
            number = number * len(axis.values) + place
        return number

    def parameters(self, number: int) -> dict[str, str]:
        """Return a combination's parameters as text."""
        return {axis.name: axis.values[place] for axis, place in zip(self.axes, self.places(number), strict=True)}

    def neighbours(self, number: int) -> Iterator[int]:
        """Yield the combinations one step away in one numeric parameter."""
        places = self.places(number)
        for at, axis in enumerate(self.axes):
            for place in (places[at] - 1, places[at] + 1):
                if axis.is_numeric and 0 <= place < len(axis.values):
                    yield self.number((*places[:at], place, *places[at + 1 :]))


def read_grid(given: Sequence[str]) -> Grid:
    """Read `name=first:last:step` (last included) and `name=a,b,c`; raises ConfigurationError for what is neither."""
    axes = tuple(_axis(each) for each in given)
    if not axes:
        raise ConfigurationError("nothing to sweep: give at least one --param, such as --param k=1.5:3:0.1.")
    names = [axis.name for axis in axes]
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise ConfigurationError(f"--param {repeated[0]} is given twice. Give it once, with all its values.")
    grid = Grid(axes)
    if prod(len(axis.values) for axis in axes) > MOST_COMBINATIONS:
        raise ConfigurationError(
            f"--param: more than {MOST_COMBINATIONS:,} combinations. Take larger steps, or search with --optuna N."
        )
    return grid


def _axis(text: str) -> Axis:
    name, sign, rest = (part.strip() for part in text.partition("="))
    if not sign or not name or not rest:
        raise ConfigurationError(f"--param {text}: write name=first:last:step or name=a,b,c.")
    values = _range(text, rest) if ":" in rest else _list(text, rest)
    numbers = [_number(value) for value in values]
    known = [number for number in numbers if number is not None]
    if len(known) < len(values):
        return Axis(name, values, is_numeric=False)
    return Axis(name, tuple(plain(number) for number in sorted(known)), is_numeric=True)


def _range(text: str, rest: str) -> tuple[str, ...]:
    numbers = [_number(part) for part in rest.split(":")]
    if len(numbers) != 3 or None in numbers:
        raise ConfigurationError(f"--param {text}: write name=first:last:step, three numbers.")
    first, last, step = (number for number in numbers if number is not None)
    if step <= 0 or first > last:
        raise ConfigurationError(f"--param {text}: first must not lie above last, and step must be above 0.")
    count = int((last - first) // step) + 1 if (last - first) / step <= MOST_COMBINATIONS else MOST_COMBINATIONS + 1
    if count > MOST_COMBINATIONS:
        raise ConfigurationError(f"--param {text}: more than {MOST_COMBINATIONS:,} values. Take a larger step.")
    return tuple(plain(first + place * step) for place in range(count))


def _list(text: str, rest: str) -> tuple[str, ...]:
    values = tuple(part.strip() for part in rest.split(","))
    if not all(values):
        raise ConfigurationError(f"--param {text}: one of the values is empty. Write name=a,b,c.")
    numbers = [_number(value) for value in values]
    if len(set(values)) < len(values) or (None not in numbers and len(set(numbers)) < len(values)):
        raise ConfigurationError(f"--param {text}: a value is given twice. Give each once.")
    return values


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
