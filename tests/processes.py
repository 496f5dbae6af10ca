"What tests ask about processes of this machine."

import time
from pathlib import Path


def gone(process: int, within: float = 10) -> bool:
    "Whether a process has ended."
    until = time.monotonic() + within
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False
