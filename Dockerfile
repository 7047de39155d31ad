# The build tools do not end up in the image. All versions and hashes, build tools included, come from the lock files.
#   docker build -t chat2response .                     the gateway
#   docker build -t chat2response-mcp --target mcp .    with Node and uv, which start MCP servers
FROM python:3.12-slim AS build
WORKDIR /src
COPY requirements.lock requirements-dev.lock ./
RUN sed -n '/^uv==/,/[^\\]$/p' requirements-dev.lock > uv.txt \
    && pip install --no-cache-dir --require-hashes --no-deps -r uv.txt \
    && python -m venv --without-pip /app/venv \
    && uv pip sync --no-cache --python /app/venv/bin/python --compile-bytecode --require-hashes \
        --build-constraints requirements-dev.lock requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY chat2response ./chat2response
RUN uv pip install --no-cache --python /app/venv/bin/python --compile-bytecode --no-deps \
        --build-constraints requirements-dev.lock .

FROM python:3.12-slim AS gateway
RUN useradd --system --uid 10001 --no-create-home chat2response \
    && install -d -m 0700 -o chat2response /data
COPY --from=build /app /app
WORKDIR /app
ENV PATH=/app/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    BIND_ADDR=0.0.0.0:8088 \
    CHAT2RESPONSE_SQLITE_PATH=/data/keys.db
USER 10001
VOLUME /data
EXPOSE 8088
# Not urllib: it would use the proxy that the environment sets for the upstream.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s \
    CMD ["python", "-c", "import http.client, os; port = os.environ['BIND_ADDR'].rpartition(':')[2]; c = http.client.HTTPConnection('127.0.0.1', int(port), timeout=3); c.request('GET', '/livez'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["chat2response"]

FROM node:22-slim AS node

FROM gateway AS mcp
USER root
COPY --from=build /usr/local/bin/uv /usr/local/bin/uvx /usr/local/bin/
COPY --from=node /usr/local/bin/node /usr/local/bin/
COPY --from=node /usr/local/lib/node_modules /usr/local/lib/node_modules
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm \
    && ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx
# The user has no home, so npx and uvx store their downloads in the volume of the keys.
ENV HOME=/data \
    UV_CACHE_DIR=/data/cache/uv \
    npm_config_cache=/data/cache/npm
USER 10001

# A build without --target builds the last stage.
FROM gateway
