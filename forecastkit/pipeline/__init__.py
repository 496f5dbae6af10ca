"""From sources to stored forecasts: preparation, the integrated system, evaluation, verification, universes."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
