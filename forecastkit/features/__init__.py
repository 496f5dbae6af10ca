"""How features are declared, computed and cached; the features of the VIX, of stocks, of panels and of the regime model."""

from ..core import attach_face

__getattr__, __dir__, __all__ = attach_face(__name__, __file__)
