"""Costs, prices, orders and their execution, books that balance, and backtests."""

from ..core import attach_face

__getattr__, __dir__, __all__ = attach_face(__name__, __file__)
