"""From sources to stored forecasts: preparation, the integrated system, evaluation, verification, universes."""

from ..core import attach_face

__getattr__, __dir__, __all__ = attach_face(__name__, __file__)
