# One image a service:  docker build --build-arg SERVICE=intake -t homeward-intake:0.1.0 .
# Its command is the role: serve | consume | relay | migrate.
ARG PYTHON=python:3.13-slim-trixie

# Everything the lock names, checked against its hashes. The same layer for every service.
FROM ${PYTHON} AS wheels
ARG PIP_INDEX_URL
COPY requirements.lock .
RUN pip download -q --no-cache-dir --require-hashes --no-deps -r requirements.lock -d /wheels

# The service, and of those wheels only what it depends on: from here on there is no index to ask.
FROM wheels AS build
ENV PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheels PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
COPY libs libs
ARG SERVICE
COPY services/${SERVICE} services/${SERVICE}
RUN pip wheel -q --no-deps -w /wheels libs/* services/${SERVICE} \
 && python -m venv --without-pip /venv \
 && pip --python /venv/bin/python install -q homeward-${SERVICE}

FROM ${PYTHON}
ARG SERVICE
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Homeward ${SERVICE}" \
      org.opencontainers.image.description="Cross-border coordination of trafficking cases" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOMEWARD_SERVICE=${SERVICE}
# A number, so that Kubernetes can see that it is not root. Nothing is written but to /tmp.
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/healthz', timeout=4)"]
# exec: Python is process 1 and gets SIGTERM itself.
ENTRYPOINT ["sh", "-c", "exec python -m homeward.$HOMEWARD_SERVICE \"$@\"", "homeward"]
CMD ["serve"]
