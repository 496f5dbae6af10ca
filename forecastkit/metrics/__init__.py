"""Scores of probability forecasts, their calibration, and the significance of a difference."""

from ..core import attach_face

__getattr__, __dir__, __all__ = attach_face(__name__, __file__)
