# Sourced by scripts/test: programs that only some tests need. The tests with Docker start an engine when none
# runs, and make their base image with debootstrap. Debian's packages are installed where that is allowed; where CI
# may, it must.
install_package() {
    command -v apt-get >/dev/null && [ "$(id -u)" -eq 0 ] || return 1
    say "installing the Debian package $1"
    apt-get update -qq >&2 || return 1
    (
        # A package starts the service that it brings, unless this file forbids it.
        policy=/usr/sbin/policy-rc.d
        if [ ! -e "$policy" ]; then
            trap 'rm -f "$policy"' EXIT
            printf '#!/bin/sh\nexit 101\n' >"$policy"
            chmod +x "$policy"
        fi
        DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$1" >&2
    )
}

# tests_need WHICH_TESTS COMMAND PACKAGE
tests_need() {
    command -v "$2" >/dev/null || install_package "$3" || {
        [ "${CI:-}" != true ] || fail "$1 need $2" "apt-get install $3, as root"
        cannot "$1: $2 is not installed (on Debian: apt-get install $3, as root)"
    }
}

tests_need "the tests with Docker" dockerd docker.io
tests_need "the tests with Docker" debootstrap debootstrap
tests_need "the tests with Docker" docker-registry docker-registry
tests_need "the tests in a browser" chromium chromium
tests_need "the tests behind nginx" nginx nginx-light
tests_need "the tests behind Caddy" caddy caddy
tests_need "the tests behind HAProxy" haproxy haproxy
tests_need "the tests of the units for systemd" systemd-analyze systemd
tests_need "the tests with the client for Node, and of the page's code for it" npm npm
tests_need "the tests of the documentation, and those of TLS and Unix sockets" curl curl
tests_need "the tests of TLS" openssl openssl
tests_need "the tests of the clock" cc build-essential
tests_need "the tests of metrics with promtool" promtool prometheus
[ "$(id -u)" -eq 0 ] || cannot "the tests of the service for systemd, and of a file system that hangs: they need root"
