"""
---
title: Configuration
description: Every setting, with its default and what is allowed, as the program itself declares them
---
"""

from dataclasses import fields

from forecastkit.core.settings import SECTIONS, ini_value

print(
    "Four layers give the values, the later winning over the earlier: the defaults below, a file `settings.ini` in the working directory "
    "(or at `FORECASTKIT_SETTINGS`), environment variables such as `FORECASTKIT_DATA_HOME`, and arguments of a command. "
    "`forecastkit settings show` prints what is in force, and from where; an unknown key is refused.\n"
)
for section, declared in SECTIONS.items():
    print(f"## {section}\n\n| key | default | allowed | what it does |\n|---|---|---|---|")
    for one in fields(declared):
        value = ini_value(one.default)
        told = [one.metadata["reader"].allowed, one.metadata["about"]]
        cells = " | ".join(text.replace("|", "\\|") for text in told)
        print(f"| `{section}.{one.name}` | {f'`{value}`' if value else 'nothing'} | {cells} |")
    print()
