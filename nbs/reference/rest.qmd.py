"""
---
title: The HTTP interface
description: Every address with its parameters and answers, as the running service describes itself at /openapi.json
---
"""

import tempfile

from forecastkit.core import load_settings
from forecastkit.web import create_app

with tempfile.TemporaryDirectory() as home:
    described = create_app(load_settings(overrides={"data.home": home})).openapi()

print(
    "`forecastkit keys add NAME --scope forecast` makes a key, `forecastkit serve` starts the service on this machine.\n"
)
for path, verbs in described["paths"].items():
    for verb, told in verbs.items():
        print(f"## {verb.upper()} {path}\n\n{told.get('summary', '')}\n\n{told.get('description', '')}\n")
        if told.get("parameters"):
            print("| parameter | where | required | meaning |\n|---|---|---|---|")
            for one in told["parameters"]:
                meaning = " ".join(one.get("description", "").split()).replace("|", "\\|")
                print(f"| `{one['name']}` | {one['in']} | {'yes' if one.get('required') else 'no'} | {meaning} |")
            print()
        print("| status | answer |\n|---|---|")
        for status, answer in told["responses"].items():
            print(f"| {status} | {' '.join(answer.get('description', '').split())} |")
        print()
