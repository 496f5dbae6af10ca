"""
---
title: How good is it
description: What the forecasts were worth, with errors and baselines, and what was tried
---
"""

from pathlib import Path

sections = Path("README.md").read_text().split("\n## ")
worth = next(text for text in sections if text.startswith("What it is worth"))
print(worth.partition("\n")[2])
print(
    "\nThe scorecard behind these figures is the notebook [scorecard](../45_evaluation/06_scorecard.ipynb); "
    "the audit that looks for a view of tomorrow is [lookahead](../45_evaluation/03_lookahead.ipynb)."
)
