"""`cog login` and `cog push`, with the engine and with our own push, for a registry that requires a login."""

import base64
import json
import uuid
from pathlib import Path

import docker
import pytest
from integration.docker.containers import run_cog
from integration.docker.engine import PRIVATE_USER, PRIVATE_WORD

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.parametrize("example", ["hello"], indirect=True),
]
PLAIN = ("--use-cog-base-image", "false")


@pytest.fixture
def own(tmp_path: Path, variables: dict[str, str]) -> dict[str, str]:
    """The environment of a user with an empty Docker configuration."""
    (tmp_path / "docker").mkdir()
    return {**variables, "DOCKER_CONFIG": str(tmp_path / "docker")}


def test_a_push_needs_a_login(
    engine: docker.DockerClient, example: Path, own: dict[str, str], private_registry: str
) -> None:
    name = f"{private_registry}/you/hello:{uuid.uuid4().hex}"
    refused = run_cog(example, "push", name, *PLAIN, variables=own)
    assert refused.returncode == 1
    assert "\nerror: failed to push image: " in refused.stderr
    assert refused.stderr.endswith("\n\nhint: run `cog login` first\n")
    login = ("login", "--registry", private_registry, "--username", PRIVATE_USER, "--token-stdin")
    done = run_cog(example, *login, stdin=f"{PRIVATE_WORD}\n".encode(), variables=own)
    assert done.stderr.endswith(f"Login succeeded for {private_registry}\n")
    pushed = run_cog(example, "push", name, *PLAIN, variables=own)
    assert pushed.returncode == 0, pushed.stderr[-2000:]
    engine.images.remove(name, force=True)
    asked = run_cog(example, "predict", name, "-i", "name=Ada", variables=own)
    assert (asked.stdout, asked.returncode) == ("Hello, Ada!\n", 0), asked.stderr
    engine.images.remove(name, force=True)


def test_the_registry_of_cog_registry_host_gets_the_credentials_of_r8_im(
    engine: docker.DockerClient, example: Path, own: dict[str, str], private_registry: str
) -> None:
    secret = base64.b64encode(f"{PRIVATE_USER}:{PRIVATE_WORD}".encode()).decode()
    file = Path(own["DOCKER_CONFIG"]) / "config.json"
    file.write_text(json.dumps({"auths": {"r8.im": {"auth": secret}}}))
    name = f"{private_registry}/you/hello:{uuid.uuid4().hex}"
    other = run_cog(example, "push", name, *PLAIN, variables=own)
    assert "credentials for" not in other.stderr
    assert "error: failed to push image: " in other.stderr
    own["COG_REGISTRY_HOST"] = private_registry
    pushed = run_cog(example, "push", name, *PLAIN, variables=own)
    assert f"\nUsing existing r8.im credentials for {private_registry}\n" in pushed.stderr
    assert pushed.returncode == 0, pushed.stderr[-2000:]
    engine.images.remove(name, force=True)
    asked = run_cog(example, "predict", name, "-i", "name=Ada", variables=own)
    assert (asked.stdout, asked.returncode) == ("Hello, Ada!\n", 0), asked.stderr
    engine.images.remove(name, force=True)


def test_layers_are_pushed_without_the_daemon(
    engine: docker.DockerClient, example: Path, own: dict[str, str], private_registry: str
) -> None:
    name = f"{private_registry}/you/{uuid.uuid4().hex}:v1"
    # Small layers in one request, large ones in chunks.
    sizes = {"COG_PUSH_MULTIPART_THRESHOLD": "1000000", "COG_PUSH_DEFAULT_CHUNK_SIZE": "700000"}
    own.update(sizes, COG_PUSH_OCI="1")
    secret = base64.b64encode(f"{PRIVATE_USER}:{PRIVATE_WORD}".encode()).decode()
    file = Path(own["DOCKER_CONFIG"]) / "config.json"
    file.write_text(json.dumps({"auths": {private_registry: {"auth": secret}}}))
    pushed = run_cog(example, "push", name, *PLAIN, variables=own)
    assert pushed.returncode == 0, pushed.stderr[-2000:]
    assert "\nExporting image from Docker daemon...\nPushing layers...\n" in pushed.stderr
    assert "Docker daemon instead" not in pushed.stderr
    reference = pushed.stderr.rpartition("  image  ")[2].strip()
    engine.images.remove(name, force=True)
    asked = run_cog(example, "predict", reference, "-i", "name=Ada", variables=own)
    assert (asked.stdout, asked.returncode) == ("Hello, Ada!\n", 0), asked.stderr
    engine.images.remove(reference, force=True)


def test_the_daemon_pushes_if_the_layer_push_fails(
    engine: docker.DockerClient, example: Path, own: dict[str, str], private_registry: str
) -> None:
    name = f"{private_registry}/you/{uuid.uuid4().hex}:v1"
    refused = run_cog(example, "push", name, *PLAIN, variables={**own, "COG_PUSH_OCI": "1"})
    assert refused.returncode == 1
    assert f"\nwarning: request to registry {name.rpartition(':')[0]} failed: status 401" in refused.stderr
    assert "; pushing with the Docker daemon instead\n" in refused.stderr
    assert "\nerror: failed to push image: " in refused.stderr
    engine.images.remove(name, force=True)
