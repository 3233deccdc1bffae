"""Makes the documentation: its generated pages, and the hooks of the site (docs/documentation.md)."""
