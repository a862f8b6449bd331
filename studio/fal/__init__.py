"""The only package that speaks to fal.ai."""
