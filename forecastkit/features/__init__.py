"""How features are declared, computed and cached; the features of the VIX, of stocks and of the regime model."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
