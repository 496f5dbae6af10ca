"""Errors, targets, files, the hash chain, the home folder, text from outside, settings, experiments, findings, docstrings, a stopwatch and threads."""

from .docstrings import attach_face as _attach_face

__getattr__, __dir__, __all__ = _attach_face(__name__, __file__)
