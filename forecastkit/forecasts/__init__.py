"""Quantile distributions, the `Forecast` record, its cards and plots."""

from ..core import attach_face

__getattr__, __dir__, __all__ = attach_face(__name__, __file__)
