"""operations.md 6: the Compose file is valid, and fits the server and the Caddyfile."""

from typing import Any, Final

import pytest
import yaml
from integration.deploy.checkers import DEPLOY, GRACE_S, MORE_S, check

from coglet_supervisor.settings import Settings

pytestmark = pytest.mark.ours("operations.md 6")

FILE: Final = DEPLOY / "compose/compose.yaml"
COMPOSE: Final[dict[str, Any]] = yaml.safe_load(FILE.read_text())
MODEL: Final = COMPOSE["services"]["model"]
PROXY: Final = COMPOSE["services"]["proxy"]


def test_it_is_valid() -> None:
    check("check-jsonschema", "--builtin-schema", "vendor.compose-spec", FILE)


def test_the_variables_are_settings_of_the_server() -> None:
    settings = Settings.from_environment(MODEL["environment"])
    assert settings.warnings == ()
    assert settings.shutdown_grace_s == GRACE_S
    # Others reach the ports of the proxy: without the variable, Compose ends with this text.
    assert MODEL["environment"]["COG_API_TOKEN"].startswith("${TOKEN:?")
    folder = settings.records.removeprefix("sqlite:").rpartition("/")[0]
    assert [volume.partition(":")[2] for volume in MODEL["volumes"]] == [folder]


def test_docker_waits_for_the_shutdown() -> None:
    assert GRACE_S + MORE_S <= int(MODEL["stop_grace_period"].removesuffix("s"))


def test_the_proxy_has_the_caddyfile_and_its_variables() -> None:
    source, target, _ = PROXY["volumes"][0].split(":")
    assert target == "/etc/caddy/Caddyfile"
    caddyfile = (FILE.parent / source).read_text()
    assert all(f"{{${name}:" in caddyfile for name in PROXY["environment"])
    assert PROXY["environment"]["COGLET_SERVER"] == f"model:{Settings.port}"
