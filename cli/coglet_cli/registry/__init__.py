"""Image registries: names, logins, and uploads."""
