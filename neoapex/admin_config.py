"""Puts our own site in place of Django's admin site."""

from django.contrib.admin import apps


class AdminConfig(apps.AdminConfig):
    default_site = "neoapex.admin_site.StudioAdminSite"
