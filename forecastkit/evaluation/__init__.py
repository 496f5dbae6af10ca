"""Walk-forward runner, scorecard, and the look-ahead audit."""

from ..core import attach_face

__getattr__, __dir__, __all__ = attach_face(__name__, __file__)
