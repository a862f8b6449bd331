"""As little Django as dj-stripe needs to take webhooks, on a database of its own in the same PostgreSQL."""

import os

import environ

DATABASES = {"default": environ.Env.db_url_config(os.environ["DJSTRIPE_DATABASE_URL"]) | {"CONN_MAX_AGE": 60}}
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "djstripe"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "djstripe.urls"
ALLOWED_HOSTS = ["*"]
SECRET_KEY = "not one"
USE_TZ = True
DJANGO_GUID: dict[str, object] = {}

STRIPE_LIVE_MODE = False
STRIPE_TEST_SECRET_KEY = "sk_test_nothing"
DJSTRIPE_FOREIGN_KEY_TO_FIELD = "id"
# Its best case: the event is stored, and nothing is made of it.
DJSTRIPE_WEBHOOK_EVENT_CALLBACK = "benchmarks.djstripe_site.ignore"
