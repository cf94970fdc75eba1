"""Units of metrics: how a value, and a change of it, is written."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Unit:
    """The unit of a metric. Values are stored raw; the unit defines how they are displayed."""

    name: str
    """The name in JSON."""
    symbol: str = ""
    """Written after a value."""
    change_symbol: str = ""
    """Written after a change: a share of images changes by percentage points."""
    factor: int = 1
    """Factor between a raw and a displayed value."""
    digits: int = 2
    """Decimals that are shown."""
    rule_unit: str = ""
    """Written after a change in a gate rule."""

    @property
    def is_share(self) -> bool:
        """Whether values are fractions in [0, 1]."""
        return self is FRACTION

    def number(self, value: float) -> str:
        """`23.50` of the fraction 0.235: no symbol, and no sign before a rounded zero."""
        return f"{self.factor * value:z.{self.digits}f}"

    def value(self, value: float) -> str:
        """`23.50 %`."""
        return self._with(self.number(value), self.symbol)

    def signed(self, change: float) -> str:
        """`+1.20`: no symbol, and no sign before a rounded zero."""
        text = self.number(change)
        is_plain = text.startswith("-") or not text.strip("0.")
        return text if is_plain else f"+{text}"

    def change(self, change: float) -> str:
        """`+1.20 pp`."""
        return self._with(self.signed(change), self.change_symbol)

    def precise(self, value: float) -> str:
        """A value inside a formula: four decimals without trailing zeros, so that readers who
        recompute the result get its two decimals right."""
        text = f"{self.factor * value:z.4f}"
        return text[:-2] + text[-2:].rstrip("0")

    @staticmethod
    def _with(text: str, symbol: str) -> str:
        return f"{text} {symbol}" if symbol else text


FRACTION = Unit("fraction", symbol="%", change_symbol="pp", factor=100, rule_unit="pp")
"""A share of the images in [0, 1], shown in percent."""
PERCENT = Unit("percent")
"""A percentage of the reference's errors, which the metric's name says: shown without a symbol."""
NATS = Unit("nats", symbol="nats", change_symbol="nats", digits=3, rule_unit="nats")
POINTS_OF_MCE = Unit("points of mCE", symbol="points of mCE", change_symbol="points of mCE")
"""A difference of two mCEs."""
UNITS = {unit.name: unit for unit in (FRACTION, PERCENT, NATS, POINTS_OF_MCE)}
