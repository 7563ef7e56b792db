# shellcheck shell=bash
# Sourced by the scripts: what they need of the machine, installed when missing and said so.

# Runs a command as root: directly, or through sudo.
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null; then sudo "$@"
    else
        echo "needs root for: $*  (run this script as root, or install sudo)" >&2
        return 1
    fi
}

# need_packages COMMAND PACKAGE…: installs Debian or Ubuntu packages unless the command is there.
need_packages() {
    local command=$1
    shift
    command -v "$command" >/dev/null && return 0
    if ! command -v apt-get >/dev/null; then
        echo "missing: $command. Install it with your system's package manager, then run this again." >&2
        return 1
    fi
    echo "installing with apt: $*  (for $command)"
    if [ -z "${APT_LISTS_FRESH:-}" ]; then
        as_root apt-get update -q >/dev/null || return 1
        APT_LISTS_FRESH=1
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends "$@" >/dev/null
}

# Rust can't be installed unasked: it is the one thing that has to be there.
need_rust() {
    # A login shell may not have run since Rust was installed.
    command -v cargo >/dev/null || PATH="$HOME/.cargo/bin:$PATH"
    if ! command -v cargo >/dev/null; then
        echo "Rust is missing: install it from https://rustup.rs and run this again." >&2
        return 1
    fi
}

# SQLite and the hash functions are partly C and assembly.
need_compiler() {
    need_packages cc build-essential
}
