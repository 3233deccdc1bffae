"""`python -m documentation`: writes the generated pages of docs/."""

from documentation import cog_yaml, http_interface
from documentation.site_hooks import ROOT

(ROOT / "docs" / "cog-yaml.md").write_text(cog_yaml.page(cog_yaml.schema()))
(ROOT / "docs" / "http.md").write_text(http_interface.page())
