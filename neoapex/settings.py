"""Every setting of the studio, read once from the environment; a wrong one stops the process with its name."""

import secrets
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from celery.schedules import crontab
from csp.constants import NONCE, NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django_guid.integrations import CeleryIntegration

from neoapex import environment as read
from neoapex import logs

BASE_DIR = Path(__file__).resolve().parent.parent

# --- Where we run ----------------------------------------------------------------------------------------------------

NEOAPEX_ENV = read.one_of("NEOAPEX_ENV", "embedded", ("embedded", "production"))
EMBEDDED = NEOAPEX_ENV == "embedded"
NEOAPEX_HOME = Path(read.text("NEOAPEX_HOME", str(BASE_DIR / ".neoapex"))).expanduser().resolve()
if EMBEDDED:
    read.adopt_running_studio(NEOAPEX_HOME)
NEOAPEX_PORT = read.whole_number("NEOAPEX_PORT", 8000, at_least=1)
NEOAPEX_PUBLIC_URL = read.url("NEOAPEX_PUBLIC_URL", "", embedded=EMBEDDED)

DEBUG = False
# Embedded studios bring their own; a command outside of one gets a key that nobody else knows and nothing outlives.
SECRET_KEY = read.text("SECRET_KEY", secrets.token_hex(32) if EMBEDDED else None, hint="Any long random text.")
ALLOWED_HOSTS = read.names("ALLOWED_HOSTS", "127.0.0.1,localhost,[::1]" if EMBEDDED else "")
if not EMBEDDED and not ALLOWED_HOSTS:
    raise ImproperlyConfigured("ALLOWED_HOSTS is not set. Name the hosts that people reach the studio by.")
if not EMBEDDED and not NEOAPEX_PUBLIC_URL:
    raise ImproperlyConfigured("NEOAPEX_PUBLIC_URL is not set. fal calls back to it; give the https URL of the studio.")

# --- fal -------------------------------------------------------------------------------------------------------------

FAL_KEY = read.text(
    "FAL_KEY", "" if EMBEDDED else None, hint="Make a key in fal's dashboard; production needs it to start."
)
# fal shows its bill to admin keys only; the key that songs are made with need not be one.
FAL_ADMIN_KEY = read.text("FAL_ADMIN_KEY", "")
NEOAPEX_FAL_QUEUE_URL = read.url("NEOAPEX_FAL_QUEUE_URL", "https://queue.fal.run", embedded=EMBEDDED)
NEOAPEX_FAL_REST_URL = read.url("NEOAPEX_FAL_REST_URL", "https://rest.fal.ai", embedded=EMBEDDED)
NEOAPEX_FAL_API_URL = read.url("NEOAPEX_FAL_API_URL", "https://api.fal.ai/v1", embedded=EMBEDDED)
NEOAPEX_FAL_CDN_URL = read.url("NEOAPEX_FAL_CDN_URL", "https://v3.fal.media", embedded=EMBEDDED)
NEOAPEX_FAL_JWKS_URL = read.url("NEOAPEX_FAL_JWKS_URL", "https://rest.fal.ai/.well-known/jwks.json", embedded=EMBEDDED)
NEOAPEX_FAL_USER_ID = read.text("NEOAPEX_FAL_USER_ID", "")
NEOAPEX_WEBHOOK_SCHEME = read.one_of("NEOAPEX_WEBHOOK_SCHEME", "ed25519", ("ed25519", "hmac"))
NEOAPEX_WEBHOOK_SECRET = (
    read.webhook_secret("NEOAPEX_WEBHOOK_SECRET", FAL_KEY) if NEOAPEX_WEBHOOK_SCHEME == "hmac" else ""
)
NEOAPEX_WEBHOOK_ADDRESSES = read.one_of("NEOAPEX_WEBHOOK_ADDRESSES", "off", ("off", "fal"))
NEOAPEX_DELIVERIES_KEPT_DAYS = read.whole_number("NEOAPEX_DELIVERIES_KEPT_DAYS", 90, at_least=1)
# Without an address that fal can reach, outcomes are fetched by asking.
SETTLE_BY_POLLING = not NEOAPEX_PUBLIC_URL

NEOAPEX_SWEEP_AFTER = read.whole_number("NEOAPEX_SWEEP_AFTER", 300, at_least=1)
NEOAPEX_LOST_AFTER = read.whole_number("NEOAPEX_LOST_AFTER", 1800, at_least=1)
NEOAPEX_LOST_RELEASE = read.whole_number("NEOAPEX_LOST_RELEASE", 86_400, at_least=1)
NEOAPEX_QUEUE_TIMEOUT = read.whole_number("NEOAPEX_QUEUE_TIMEOUT", 3600, at_least=1)
# Retries of a retouch after its first take; who has judged them all accepts one or keeps the original.
NEOAPEX_INPAINT_MAX_RETRIES = read.whole_number("NEOAPEX_INPAINT_MAX_RETRIES", 3, at_least=1)
# How fal gets the audio of a track: by a link into the bucket where it looks public, else by fal's own upload.
NEOAPEX_SOURCE_BY = read.one_of("NEOAPEX_SOURCE_BY", "auto", ("auto", "link", "upload"))
NEOAPEX_FAL_SLOTS = read.whole_number("NEOAPEX_FAL_SLOTS", 2, at_least=1)
NEOAPEX_USER_SLOTS = read.whole_number("NEOAPEX_USER_SLOTS", 2, at_least=1)
NEOAPEX_USER_WAITING = read.whole_number("NEOAPEX_USER_WAITING", 20, at_least=1)
NEOAPEX_USER_RATE = read.rate("NEOAPEX_USER_RATE", "30/minute")
NEOAPEX_ORG_RATE = read.rate("NEOAPEX_ORG_RATE", "off")
# On a laptop everybody has the same address.
NEOAPEX_ADDRESS_RATE = read.rate("NEOAPEX_ADDRESS_RATE", "off" if EMBEDDED else "120/minute")
NEOAPEX_BREAKER_FAILURES = read.whole_number("NEOAPEX_BREAKER_FAILURES", 3, at_least=1)
NEOAPEX_BREAKER_SECONDS = read.whole_number("NEOAPEX_BREAKER_SECONDS", 60, at_least=1)

# --- Money and media -------------------------------------------------------------------------------------------------

NEOAPEX_MONTHLY_BUDGET = read.dollars_as_micros("NEOAPEX_MONTHLY_BUDGET", "10.00")
NEOAPEX_MEDIA_HOSTS = read.names("NEOAPEX_MEDIA_HOSTS", "fal.media,v3.fal.media,v3b.fal.media,cdn.sonauto.ai")
NEOAPEX_MEDIA_MAX_BYTES = read.whole_number("NEOAPEX_MEDIA_MAX_BYTES", 2 * 1024**3, at_least=1)
NEOAPEX_MEDIA_MAX_SECONDS = read.whole_number("NEOAPEX_MEDIA_MAX_SECONDS", 6 * 3600, at_least=1)
# django-storages' own names; what it has none for is named likewise. Without keys, the machine's own role is used.
AWS_STORAGE_BUCKET_NAME = read.text("AWS_STORAGE_BUCKET_NAME", "")
AWS_S3_ENDPOINT_URL = read.url("AWS_S3_ENDPOINT_URL", "", embedded=EMBEDDED, inside=True)
AWS_S3_PUBLIC_ENDPOINT_URL = read.url("AWS_S3_PUBLIC_ENDPOINT_URL", AWS_S3_ENDPOINT_URL, embedded=EMBEDDED, inside=True)
AWS_S3_REGION_NAME = read.text("AWS_S3_REGION_NAME", "us-east-1")
AWS_S3_ADDRESSING_STYLE = read.one_of("AWS_S3_ADDRESSING_STYLE", "auto", ("auto", "path", "virtual"))
AWS_S3_ENCRYPTION = read.one_of("AWS_S3_ENCRYPTION", "off", ("off", "AES256", "aws:kms"))
STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "studio.media.disk.DiskStorage", "OPTIONS": {"location": str(NEOAPEX_HOME / "media")}},
    "staticfiles": {"BACKEND": "neoapex.static_files.StaticFiles"},
}
if AWS_STORAGE_BUCKET_NAME:
    STORAGES["default"] = {
        "BACKEND": "studio.media.bucket.BucketStorage",
        "OPTIONS": {
            "bucket_name": AWS_STORAGE_BUCKET_NAME,
            "endpoint_url": AWS_S3_ENDPOINT_URL or None,
            "public_endpoint_url": AWS_S3_PUBLIC_ENDPOINT_URL,
            "region_name": AWS_S3_REGION_NAME,
            "addressing_style": AWS_S3_ADDRESSING_STYLE,
            "access_key": read.text("AWS_ACCESS_KEY_ID", "") or None,
            "secret_key": read.text("AWS_SECRET_ACCESS_KEY", "") or None,
            "security_token": read.text("AWS_SESSION_TOKEN", "") or None,
            "encryption": "" if AWS_S3_ENCRYPTION == "off" else AWS_S3_ENCRYPTION,
            "kms_key_id": read.text("AWS_S3_KMS_KEY_ID", ""),
        },
    }
# Where the player's audio comes from, beside the studio itself.
MEDIA_ORIGINS = read.bucket_origins(
    AWS_STORAGE_BUCKET_NAME, AWS_S3_PUBLIC_ENDPOINT_URL, AWS_S3_REGION_NAME, AWS_S3_ADDRESSING_STYLE
)

# --- Keeping -------------------------------------------------------------------------------------------------------

# Masters are for keeping: after so many days the bucket moves them to cold storage, where it has one.
NEOAPEX_ARCHIVE_AFTER_DAYS = read.days_or_off("NEOAPEX_ARCHIVE_AFTER_DAYS", "30")
NEOAPEX_RESTORE_TIER = read.one_of("NEOAPEX_RESTORE_TIER", "Standard", ("Expedited", "Standard", "Bulk"))
NEOAPEX_RESTORE_DAYS = read.whole_number("NEOAPEX_RESTORE_DAYS", 7, at_least=1)
NEOAPEX_TRASH_DAYS = read.whole_number("NEOAPEX_TRASH_DAYS", 30, at_least=1)
# A GB for a month; and for a restore, a GB and a request.
NEOAPEX_STORAGE_PRICES = read.prices("NEOAPEX_STORAGE_PRICES", "STANDARD=0.023,GLACIER=0.0036")
NEOAPEX_RESTORE_PRICES = read.prices("NEOAPEX_RESTORE_PRICES", "Expedited=0.03+0.01,Standard=0.01+0.00005,Bulk=0+0")
NEOAPEX_PRICES_SOURCE = read.text("NEOAPEX_PRICES_SOURCE", "Amazon’s list prices for us-east-1")

# --- Database, broker, cache -----------------------------------------------------------------------------------------

DATABASE_URL = read.text(
    "DATABASE_URL",
    hint=(
        f"No studio runs from {NEOAPEX_HOME}: start one with `make studio`, or name a PostgreSQL."
        if EMBEDDED
        else "Name a PostgreSQL, as in postgres://user:password@host/name."
    ),
)
# Before it is parsed, because the parser repeats the password of what it doesn't know.
if not DATABASE_URL.startswith(("postgres://", "postgresql://")):
    raise ImproperlyConfigured("DATABASE_URL must name a PostgreSQL: no other database is supported.")
DATABASES = {"default": read.parsed("DATABASE_URL", DATABASE_URL, read.env.db_url_config)}
DATABASES["default"] |= {
    "CONN_MAX_AGE": 60,
    "CONN_HEALTH_CHECKS": True,
    "OPTIONS": {"connect_timeout": 5, "options": "-c statement_timeout=30000 -c lock_timeout=10000"},
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = read.redis_url("REDIS_URL", hint="Name a Redis, as in redis://host:6379/0.")
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "neoapex",
        "OPTIONS": {"socket_timeout": 5, "socket_connect_timeout": 5},
    }
}

# The row in the database is the queue; Celery only rings. These values make a killed worker's message come back in
# seconds, where the defaults lose it or take minutes.
CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_MAX_TASKS_PER_CHILD = 500
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
# Told to end by SIGQUIT, a worker may finish what takes no longer than this; the rest goes back, for others to do.
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 3.0
# Well above what fal's own timeouts add up to, below what anybody would wait for.
CELERY_TASK_TIME_LIMIT = 300
CELERY_TASK_SOFT_TIME_LIMIT = 240
# A long song from a slow host, and an audit of millions of entries, take their time.
LONG_TASK = {"time_limit": 900, "soft_time_limit": 840}
LONG_TASKS = ("studio.ingest", "ledger.audit", "studio.follow_restores", "studio.read_storage", "studio.empty_trash")
CELERY_TASK_ANNOTATIONS = dict.fromkeys(LONG_TASKS, LONG_TASK)
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {
    "studio.ingest": {"queue": "media"},
    "studio.dispatch": {"queue": "fal"},
    "studio.cancel_at_fal": {"queue": "fal"},
    "studio.look": {"queue": "fal"},
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# However long Redis is away, workers wait for it: the default gives up after a while and ends them.
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # Above the longest task: what runs longer would be given to a second worker while the first is at it.
    "visibility_timeout": 1200,
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
    "socket_timeout": 5,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 30,
}
CELERY_TASK_PUBLISH_RETRY = False
# What is rung for, when, and after how many seconds a ring that nobody has heard is worth nothing any more.
_RINGS = [
    ("studio.sweep", timedelta(seconds=min(NEOAPEX_SWEEP_AFTER, 15)), 60),
    # What a killed worker or a flushed broker left lying is rung for again within seconds.
    ("studio.ring", timedelta(seconds=5), 10),
    ("studio.look", timedelta(seconds=3), 10),
    ("webhooks.process_waiting", timedelta(seconds=15), 60),
    ("studio.mail_long_songs", timedelta(seconds=30), 60),
    ("studio.send_messages", timedelta(seconds=15), 60),
    ("studio.forget_messages", crontab(hour="3", minute="57"), 3600),
    ("studio.follow_restores", timedelta(minutes=5), 240),
    ("studio.tidy", timedelta(minutes=10), 600),
    ("ledger.audit", crontab(hour="3", minute="17"), 3600),
    ("webhooks.forget_old", crontab(hour="3", minute="47"), 3600),
    ("studio.read_storage", crontab(hour="4", minute="7"), 3600),
    ("studio.empty_trash", crontab(hour="4", minute="37"), 3600),
]
CELERY_BEAT_SCHEDULE = {
    task: {"task": task, "schedule": when, "options": {"expires": expires}} for task, when, expires in _RINGS
}
CELERY_BEAT_SCHEDULE_FILENAME = str(NEOAPEX_HOME / "beat-schedule")

# --- Django ----------------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "neoapex",
    # Before the studio, which shows second factors in the admin in another way.
    "allauth.mfa",
    "studio",
    "ledger",
    "webhooks",
    "neoapex.admin_config.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "csp",
    "django_guid",
    "django_htmx",
    "ninja",
]
MIDDLEWARE = [
    "django_guid.middleware.guid_middleware",
    "django.middleware.security.SecurityMiddleware",
    "neoapex.front_door.FrontDoor",
    "csp.middleware.CSPMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "neoapex.problems.StructuredErrors",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "neoapex.strangers.StrangersRate",
    "neoapex.rate_headers.RateHeaders",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "neoapex.urls"
WSGI_APPLICATION = "neoapex.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
                "studio.views.context.budget_line",
            ]
        },
    }
]
LANGUAGE_CODE = "en"
# Until all texts are there in another: pages that are half in one and half in the other help nobody.
LANGUAGES = [("en", "English")]
TIME_ZONE = "UTC"
STATIC_URL = "/static/"
STATIC_ROOT = NEOAPEX_HOME / "static" if EMBEDDED else BASE_DIR / "staticfiles"
STATICFILES_FINDERS = [
    "neoapex.static_files.StaticFolders",
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
]
STATICFILES_DIRS = [
    BASE_DIR / "static",
    ("npm/wavesurfer", BASE_DIR / "node_modules" / "wavesurfer.js" / "dist"),
]
NEOAPEX_WEB_THREADS = read.whole_number("NEOAPEX_WEB_THREADS", 8, at_least=1)
# Nothing that a person types into the studio is near this size: the longest lyrics are 10,000 characters.
DATA_UPLOAD_MAX_MEMORY_SIZE = 256 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 200

# --- People ----------------------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "studio.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
if EMBEDDED:
    AUTHENTICATION_BACKENDS.append("sesame.backends.ModelBackend")
SESAME_ONE_TIME = True
SESAME_MAX_AGE = timedelta(days=1)
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
# The organisation pays fal's bill, so in production an admin makes the accounts unless it is opened on purpose.
NEOAPEX_SIGNUP = read.switch("NEOAPEX_SIGNUP", default=EMBEDDED)
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "neoapex.accounts.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none" if EMBEDDED else "mandatory"
ACCOUNT_PREVENT_ENUMERATION = True
# A second factor that is guessed at counts among the failed logins. What isn't named here has allauth's own limits.
ACCOUNT_RATE_LIMITS = {"login": "30/m/ip", "login_failed": "5/5m/key,20/m/ip", "reset_password": "20/m/ip,5/m/key"}
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes", "webauthn"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = "Neo-Apex"
# A phone's clock may be half a minute off.
MFA_TOTP_TOLERANCE = 1
MFA_RECOVERY_CODES_SHOW_ONCE = True
# Browsers take passkeys over http from the machine itself alone.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = EMBEDDED
NEOAPEX_ADMIN_MFA = read.switch("NEOAPEX_ADMIN_MFA", default=not EMBEDDED)
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
EMAIL_URL = read.text("EMAIL_URL", "" if EMBEDDED else None, hint="As in smtp+tls://user:password@host:587.")
# Without a mail server mails become files: on standard output their links would be in the logs.
EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
EMAIL_FILE_PATH = str(NEOAPEX_HOME / "mail")
EMAIL_TIMEOUT = 10
MAIL_HOST = urlsplit(NEOAPEX_PUBLIC_URL).hostname or "localhost"
DEFAULT_FROM_EMAIL = read.text("NEOAPEX_MAIL_FROM", f"Neo-Apex <studio@{MAIL_HOST}>")
ACCOUNT_EMAIL_SUBJECT_PREFIX = "Neo-Apex: "
if EMAIL_URL:
    vars().update(read.parsed("EMAIL_URL", EMAIL_URL, read.env.email_url_config))

# --- Security --------------------------------------------------------------------------------------------------------

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        **{name: [NONE] for name in ("default-src", "frame-ancestors", "base-uri")},
        **{name: [SELF] for name in ("script-src", "connect-src", "font-src", "manifest-src", "form-action")},
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "media-src": [SELF, "blob:", *MEDIA_ORIGINS],
        "report-uri": "/csp-reports/",
    }
}
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = not EMBEDDED
SESSION_ENGINE = "neoapex.sessions"
# By this prefix a browser takes them from this very host alone, over https, and from no neighbour under the domain.
COOKIE_PREFIX = "" if EMBEDDED else "__Host-"
SESSION_COOKIE_NAME = f"{COOKIE_PREFIX}neoapex_session"
CSRF_COOKIE_NAME = f"{COOKIE_PREFIX}neoapex_csrf"
# Forms and /api/docs carry the token themselves, so no script needs to read it.
CSRF_COOKIE_HTTPONLY = True
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
SECURE_HSTS_SECONDS = 0 if EMBEDDED else 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = not EMBEDDED
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "neoapex.problems.csrf_failure"
NEOAPEX_BEHIND_PROXY = read.switch("NEOAPEX_BEHIND_PROXY", default=False)
if NEOAPEX_BEHIND_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    # Else all people would share the proxy's address, and one guesser would lock the login for everybody.
    ALLAUTH_TRUSTED_PROXY_COUNT = 1

# --- Monitoring ------------------------------------------------------------------------------------------------------

# Without either, production shows its figures to nobody.
NEOAPEX_METRICS_TOKEN = read.text("NEOAPEX_METRICS_TOKEN", "")
NEOAPEX_METRICS_NETWORKS = read.networks("NEOAPEX_METRICS_NETWORKS", "")

# Where traces go, by OpenTelemetry's own names; it reads those that are not listed here itself.
OTEL_EXPORTER_OTLP_ENDPOINT = read.url("OTEL_EXPORTER_OTLP_ENDPOINT", "", embedded=EMBEDDED, inside=True)
OTEL_SERVICE_NAME = read.text("OTEL_SERVICE_NAME", "neo-apex")

# --- Logs ------------------------------------------------------------------------------------------------------------

DJANGO_GUID = {
    "GUID_HEADER_NAME": "X-Request-Id",
    "VALIDATE_GUID": True,
    "RETURN_HEADER": True,
    "EXPOSE_HEADER": False,
    "INTEGRATIONS": [CeleryIntegration(use_django_logging=False, log_parent=False)],
}
LOGGING = logs.configuration()
