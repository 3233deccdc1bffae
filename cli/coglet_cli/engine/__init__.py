"""The Docker Engine: images, containers and builds, over its API and, for BuildKit, through its client."""
