"""The command line of forecastkit."""

from .main import (
    app as app,
)
