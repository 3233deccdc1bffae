# Sourced by scripts/test: what integration/docker needs. On Debian as root it is installed; the tests start an
# engine of their own when none runs, and make their base image with debootstrap.
for pair in dockerd:docker.io debootstrap:debootstrap docker-registry:docker-registry; do
    command_from_debian "${pair%%:*}" "${pair#*:}" "the tests with Docker"
done
