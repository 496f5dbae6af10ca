"""The HTTP API: keys, limits, questions and answers, and a client; the dashboard."""

from ..core import attach_face

__getattr__, __dir__, __all__ = attach_face(__name__, __file__)
