# shellcheck shell=bash
# Where the virtual machine's parts lie, and what its tree is made of; sourced by the scripts beside this file.

# The two places are read by whoever sources this file.
# shellcheck disable=SC2034
CHECKOUT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
CACHE=${POSTERN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/postern}
VM=$CACHE/vm
TREE=$VM/tree
IMAGE=$VM/disk.img

SUITE=${POSTERN_VM_SUITE:-forky}
MIRROR=${POSTERN_VM_MIRROR:-http://deb.debian.org/debian}

# What a system needs to boot under user-mode Linux with systemd as init.
BASE_PACKAGES=(
    ca-certificates dbus dbus-user-session iproute2 kmod libpam-systemd procps python3 systemd-sysv udev
    user-mode-linux
)
# The peers, the engines, what builds and tests us with this suite's own interpreter, and the machine of boot -l.
TEST_PACKAGES=(
    busybox-static conmon containerd crun docker-cli docker.io gcc iptables libc6-dev make netavark passt podman
    python3-dev qemu-system-x86 runc strace uidmap util-linux
)
# Its kernel: taken apart, not installed, as nothing here needs an initial file system.
KERNEL_PACKAGE=linux-image-cloud-amd64

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 125
}
