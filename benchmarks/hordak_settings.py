"""As little Django as django-hordak needs, on a database of its own in the same PostgreSQL."""

import os

import environ

DATABASES = {"default": environ.Env.db_url_config(os.environ["HORDAK_DATABASE_URL"])}
INSTALLED_APPS = ["django.contrib.contenttypes", "mptt", "hordak"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SECRET_KEY = "not one"
USE_TZ = True
DEFAULT_CURRENCY = "USD"
HORDAK_CURRENCIES = ["USD"]
HORDAK_INTERNAL_CURRENCY = "USD"
CURRENCIES = ["USD"]
HORDAK_DECIMAL_PLACES = 6
