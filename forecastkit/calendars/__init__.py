"""Exchange sessions, releases of macro series, FOMC meetings, expiries, earnings and cohorts."""

from ..core import attach_face

__getattr__, __dir__, __all__ = attach_face(__name__, __file__)
