"""Live vendors of market data, and the download of a universe into the store."""

from ..core import attach_face

__getattr__, __dir__, __all__ = attach_face(__name__, __file__)
