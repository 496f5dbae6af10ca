"""`python -m forecastkit`: the same as the command `forecastkit`."""

import sys

from forecastkit.cli.main import main

sys.exit(main())
