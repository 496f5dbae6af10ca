"""Baselines, quantile models, their pool, width calibration, and the probabilistic forecaster."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
