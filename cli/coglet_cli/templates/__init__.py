"""The files that `cog init` writes, with one template for each in this folder."""

from importlib import resources
from pathlib import Path
from typing import Final

from coglet_cli.errors import UserError
from coglet_cli.terminal import Terminal

DOCUMENTATION: Final = "https://cog.run/getting-started"
TEMPLATES: Final = {
    "cog.yaml": "cog.yaml.tmpl",
    "predict.py": "predict.py.tmpl",
    "requirements.txt": "requirements.txt.tmpl",
    ".dockerignore": "dockerignore.tmpl",
    ".github/workflows/push.yaml": "push.yaml.tmpl",
}


def write_templates(folder: Path, terminal: Terminal) -> None:
    """Write every template to `folder`; keep existing files. Raises UserError if one cannot be written."""
    terminal.info("Setting up the current directory for use with Cog...")
    terminal.info("")
    for name, template in TEMPLATES.items():
        text = resources.files("coglet_cli.templates").joinpath(template).read_text("utf-8")
        try:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            # "x" never overwrites a file, even one that another process has just created.
            with (folder / name).open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            terminal.info(f"Skipped existing {name}")
        except OSError as error:
            raise UserError(f"failed to write {name}: {error.strerror}") from None
        else:
            terminal.success(f"Creating {name}")
    terminal.info("")
    terminal.info(f"Done! For next steps, check out the docs at {DOCUMENTATION}")
