"""
---
title: Changes
description: What each version brought
---
"""

from pathlib import Path

print(Path("CHANGELOG.md").read_text().partition("\n")[2])
