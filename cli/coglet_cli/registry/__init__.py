"""Registries of images: names, logins, and what is sent to them."""
