"""
---
title: How good is it
description: What the forecasts were worth, with errors and baselines, and what was tried
---
"""

from pathlib import Path

print(Path("docs/how_good.md").read_text().partition("\n")[2].replace("](../nbs/", "](../"))
print(
    "\nThe scorecard behind these figures is the notebook [scorecard](../45_evaluation/06_scorecard.ipynb); "
    "the audit that looks for a view of tomorrow is [lookahead](../45_evaluation/03_lookahead.ipynb)."
)
