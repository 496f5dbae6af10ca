"Backtest a small universe; run as a script it is the victim that `test_universe_backtest.py` kills."

import sys
from pathlib import Path

from test_universe_backtest import NAMES, books_of

from forecastkit.data import synthetic_market

if __name__ == "__main__":
    books_of(Path(sys.argv[1]), synthetic_market(seed=5, sessions=900, start="2012-01-03", stocks=NAMES).market)
