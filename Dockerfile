# engage, with the locked versions and nothing of development. One image is web, worker and scheduler alike.
FROM python:3.12-slim AS build
RUN pip install --no-cache-dir uv==0.13.9
WORKDIR /src
COPY pyproject.toml requirements.lock README.md LICENSE ./
COPY engage engage
# The lock's versions and hashes bind as constraints: only what engage itself needs is installed, and what reports errors
# and durations if it is told where.
RUN uv venv /opt/engage && \
    uv pip install --python /opt/engage --no-cache --constraint requirements.lock --build-constraint requirements.lock ".[sentry,otel]"

FROM python:3.12-slim
RUN useradd --system --uid 10001 --create-home engage && install -d -o engage -g engage /data
COPY --from=build /opt/engage /opt/engage
WORKDIR /app
COPY campaigns campaigns
COPY email_templates email_templates
ENV PATH="/opt/engage/bin:$PATH" \
    PYTHONUNBUFFERED=1 \
    ENGAGE_HOST=0.0.0.0 \
    ENGAGE_DATA_DIR=/data
USER engage
VOLUME /data
EXPOSE 8000
CMD ["engage", "web"]
