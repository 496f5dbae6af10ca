"""Baselines, quantile models, their pool, width calibration, and the probabilistic forecaster."""

from ..core import attach_face

__getattr__, __dir__, __all__ = attach_face(__name__, __file__)
