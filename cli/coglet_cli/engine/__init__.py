"""The Docker Engine: images, containers and builds, through its API or, for BuildKit, the docker client."""
