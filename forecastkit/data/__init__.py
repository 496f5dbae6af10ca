"""Point-in-time market data: formats, sources, store, snapshots, checks, splits."""

from ..core import attach_face

__getattr__, __dir__, __all__ = attach_face(__name__, __file__)
