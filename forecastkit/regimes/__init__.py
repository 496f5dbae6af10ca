"""Hidden Markov regimes by forward filtering, the twelve market states, and anomaly detection."""

from ..core import attach_face

__getattr__, __dir__, __all__ = attach_face(__name__, __file__)
