"""Media types in registries: OCI image-spec 1.1, and Docker's own."""

from typing import Final

MANIFEST_TYPE: Final = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE: Final = "application/vnd.oci.image.index.v1+json"
LAYER_TYPE: Final = "application/vnd.oci.image.layer.v1.tar"
# The configuration of an artifact without one: image-spec 1.1, "Guidance for an empty descriptor".
EMPTY_TYPE: Final = "application/vnd.oci.empty.v1+json"
WEIGHT_TYPE: Final = "application/vnd.pycoglet.weight.v1"
DOCKER_MANIFEST_TYPE: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG_TYPE: Final = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER_TYPE: Final = "application/vnd.docker.image.rootfs.diff.tar.gzip"
