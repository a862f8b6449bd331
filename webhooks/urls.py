"""The addresses that fal calls."""

from django.urls import path

from webhooks import views

urlpatterns = [path("webhooks/fal/<uuid:generation_id>/", views.fal, name="webhooks_fal")]
