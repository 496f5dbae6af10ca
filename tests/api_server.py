"The HTTP API on a free port of loopback, as uvicorn serves it; used by the tests of the API."

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from forecastkit.core import load_settings
from forecastkit.web import create_app
from forecastkit.web.server import server_options


def settings_at(home, **more):
    given = {
        "data.home": str(home), "model.rounds": 1, "model.min_train_rows": 100, "run.n_jobs": 1, "forecast.explain": 0, "direction.sessions": 0,
        "web.seconds": 500, "web.symbols": "AAA, VIX",
    }  # fmt: skip
    return load_settings(environ={}, overrides=given | {k.replace("__", "."): v for k, v in more.items()})


@contextmanager
def serving(settings, market) -> Iterator[int]:
    "The port at which the API answers, in a thread of this process, with the options of `forecastkit serve`."
    listening = socket.create_server(("127.0.0.1", 0))
    options = {k: v for k, v in server_options(settings).items() if k not in ("workers", "factory", "host", "port")}
    server = uvicorn.Server(uvicorn.Config(create_app(settings, market), **options))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.01)
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(30)
        listening.close()
