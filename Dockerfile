# forecastkit in a container: `docker build -t forecastkit:0.3.0 .`, then `docker run --rm forecastkit:0.3.0 --help`.
# Each tag may name a digest, such as 3.11-slim-bookworm@sha256:..., for a base that never changes.
ARG BUILD_TAG=3.11-bookworm
ARG PYTHON_TAG=3.11-slim-bookworm

# Wheels of everything that is installed, at the versions of constraints.txt.
FROM python:${BUILD_TAG} AS build
WORKDIR /src
COPY constraints.txt pyproject.toml README.md LICENSE DATA_LICENSES.md ./
# xgboost-cpu is the same version of the same library without its CUDA part, which no container without a GPU can use.
RUN sed -i 's/"xgboost>=/"xgboost-cpu>=/' pyproject.toml \
    && sed -i -e 's/^xgboost==/xgboost-cpu==/' -e '/^nvidia-nccl/d' constraints.txt \
    && python -m pip install --no-cache-dir -c constraints.txt setuptools wheel
# the package links to the experiment log and to the notebooks of its reports
COPY experiments.jsonl ./
COPY reports reports
COPY forecastkit forecastkit
RUN python -m pip wheel --no-cache-dir --no-build-isolation --wheel-dir /wheels -c constraints.txt '.[api,live,postgres,alerts]'

# An environment that is made from these wheels alone: nothing is fetched here.
FROM python:${BUILD_TAG} AS environment
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    python -m venv --without-pip /opt/forecastkit \
    && python -m pip --python /opt/forecastkit/bin/python install --no-cache-dir --no-compile --no-index /wheels/*.whl \
    && python -m pip --python /opt/forecastkit/bin/python check
# What never runs goes, some 200 MB: tests and sources of libraries, Arrow's RPC, symbols for debuggers.
WORKDIR /opt/forecastkit/lib
RUN find . -type d '(' -name tests -o -name test -o -path '*/plotly/labextension' -o -path '*/pyarrow/include' ')' -prune -exec rm -rf {} + \
    && find . -type f '(' -name '*.c' -o -name '*.cpp' -o -name '*.h' -o -name '*.hpp' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.map' -o -path '*/pyarrow/*flight*' ')' -delete \
    && find . -type f '(' -name '*.cpython-*.so' -o -name '*.abi3.so' ')' -exec strip --strip-unneeded {} +
# Every module of forecastkit and what it leans on is imported: that proves the environment, and compiles what a read-only root cannot compile later.
WORKDIR /
RUN OMP_NUM_THREADS=1 /opt/forecastkit/bin/python -c "from importlib import import_module as load; from pkgutil import walk_packages as walk; import forecastkit; \
names = [m.name for m in walk(forecastkit.__path__, 'forecastkit.') if '__main__' not in m.name and 'migrations' not in m.name]; \
more = 'apprise arch hmmlearn.hmm httpx ipykernel.kernelapp limits matplotlib.pyplot nbconvert papermill psycopg pyarrow.dataset pyarrow.parquet skfolio statsmodels.api talib uvicorn uvloop xgboost yfinance'; \
print(len([load(name) for name in (*names, *more.split())]), 'modules')"

FROM python:${PYTHON_TAG}
# The user may write the two volumes and /tmp, nothing else.
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin forecastkit \
    && install -d -o forecastkit -g forecastkit -m 0750 /var/lib/forecastkit /var/backups/forecastkit
COPY --from=environment /opt/forecastkit /opt/forecastkit
ENV PATH=/opt/forecastkit/bin:$PATH \
    HOME=/tmp \
    PYTHONUNBUFFERED=1 \
    OMP_NUM_THREADS=1 \
    OPENBLAS_NUM_THREADS=1 \
    OMP_WAIT_POLICY=passive \
    FORECASTKIT_DATA_HOME=/var/lib/forecastkit \
    FORECASTKIT_WEB_HOST=0.0.0.0
USER 10001:10001
WORKDIR /var/lib/forecastkit
VOLUME /var/lib/forecastkit
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/health', timeout=4)"]
ENTRYPOINT ["forecastkit"]
CMD ["serve"]
