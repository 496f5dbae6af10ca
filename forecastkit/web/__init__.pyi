"""The HTTP API: keys, limits, questions and answers, the app and its server, and a client; the dashboard."""

from .problems import (
    HttpProblem as HttpProblem,
    problem_of as problem_of,
    Refusal as Refusal,
)
from .keys import (
    add_key as add_key,
    Key as Key,
    revoke_key as revoke_key,
    SCOPES as SCOPES,
    stored_keys as stored_keys,
)
from .questions import (
    ForecastQuestion as ForecastQuestion,
)
from .app import (
    create_app as create_app,
)
from .server import (
    run_server as run_server,
)
from .client import (
    Client as Client,
)
from .dashboard_server import (
    run_dashboard as run_dashboard,
)
