"""operations.md 6: the Kubernetes manifests are valid, and fit the server."""

import json
from pathlib import Path
from typing import Any, Final

import pytest
from integration.conftest import Serve
from integration.deploy.checkers import DEPLOY, GRACE_S, MORE_S, check, documents
from testing.model import Model
from testing.waiting import wait_for

from coglet_supervisor.settings import Settings

pytestmark = pytest.mark.ours("operations.md 6")

MODEL: Final = documents("model.yaml")
POD: Final[dict[str, Any]] = MODEL["Deployment"]["spec"]["template"]["spec"]
CONTAINER: Final[dict[str, Any]] = POD["containers"][0]
VARIABLES: Final = {each["name"]: each["value"] for each in CONTAINER["env"]}

SLOW_SETUP: Final = Model(
    "import pathlib, time\n"
    "class Predictor:\n"
    "    def setup(self) -> None:\n"
    "        while not pathlib.Path('go-on').exists():\n"
    "            time.sleep(0.01)\n"
    "    def predict(self) -> int:\n"
    "        return 1\n"
)


def test_it_is_valid() -> None:
    check("kubernetes-validate", "--strict", DEPLOY / "kubernetes/model.yaml")


# KEDA's own schema, as classes that refuse fields of other names.
READ_SCALED_OBJECT: Final = """
import json, sys
from cloudcoil.models.keda.v1alpha1 import ScaledObject
scaled = ScaledObject.model_validate(json.load(open(sys.argv[1])))
print(scaled.model_dump_json(by_alias=True, exclude_none=True))
"""


def test_the_scaled_object_is_valid_and_scales_the_deployment(tmp_path: Path) -> None:
    scaled = documents("scaledobject.yaml")["ScaledObject"]
    (tmp_path / "scaled.json").write_text(json.dumps(scaled))
    read = json.loads(check("python", "-c", READ_SCALED_OBJECT, tmp_path / "scaled.json"))
    assert read["spec"] == scaled["spec"]  # no field is unknown
    assert read["spec"]["scaleTargetRef"]["name"] == MODEL["Deployment"]["metadata"]["name"]


def test_the_server_answers_its_probes(serve: Serve, port: int) -> None:
    paths = {
        name: CONTAINER[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "readiness", "liveness")
    }
    # A pod has its ports for itself, this machine has not.
    variables = {**VARIABLES, "COG_METRICS": str(port)}
    with serve(SLOW_SETUP, variables=variables, until="STARTING") as server:

        def statuses() -> dict[str, int]:
            return {name: server.request("GET", path).status for name, path in paths.items()}

        assert statuses() == {"startup": 503, "readiness": 503, "liveness": 200}
        (server.folder / "go-on").touch()
        wait_for(lambda: statuses() == {"startup": 200, "readiness": 200, "liveness": 200}, "readiness")


def test_the_variables_are_settings_of_the_server() -> None:
    settings = Settings.from_environment(VARIABLES)
    assert settings.warnings == ()
    assert (settings.shutdown_grace_s, settings.queue_size) == (GRACE_S, 4)


def test_kubernetes_waits_for_the_shutdown() -> None:
    command, pause_s = CONTAINER["lifecycle"]["preStop"]["exec"]["command"]
    assert command == "sleep"
    assert int(pause_s) + GRACE_S + MORE_S <= POD["terminationGracePeriodSeconds"]


def test_all_parts_name_the_same_pods_and_port() -> None:
    pods = MODEL["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert MODEL["Deployment"]["spec"]["selector"]["matchLabels"] == pods
    assert MODEL["Service"]["spec"]["selector"] == pods
    assert MODEL["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == pods
    metrics = Settings.from_environment(VARIABLES).metrics
    ports = {port["name"]: port["containerPort"] for port in CONTAINER["ports"]}
    assert ports == {"http": Settings.port, "metrics": metrics}
    annotations = MODEL["Deployment"]["spec"]["template"]["metadata"]["annotations"]
    assert annotations == {"prometheus.io/scrape": "true", "prometheus.io/port": str(metrics)}
    assert MODEL["Service"]["spec"]["ports"][0]["targetPort"] == "http"
