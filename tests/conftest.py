"Fixtures shared by all tests."

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    "Real market data beside the checkout; the tests that want them are skipped where they are absent."
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the folder shared/data does not lie beside the checkout")
    return folder
