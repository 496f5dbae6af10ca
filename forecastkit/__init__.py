"""Calibrated probability forecasts of markets: made before the outcome, scored after it, checkable at every step.

Modules:

- `forecastkit.core`: What does the whole house agree on before it touches a number?"""

__version__ = "0.1.0"
