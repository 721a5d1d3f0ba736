# Sourced by ./run and ./test: how they speak, and how they put onto the machine what it lacks.
# shellcheck shell=bash

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit
project=$PWD
# shellcheck disable=SC2034 # used by those who source this
target=${CARGO_TARGET_DIR:-$project/target}
SECONDS=0

if [[ ! -t 1 || -n ${CI:-} ]]; then
    export CARGO_TERM_COLOR=never CARGO_TERM_PROGRESS_WHEN=never NO_COLOR=1
fi

# A line with the seconds since the start.
say() { printf '[%4ds] %s\n' "$SECONDS" "$*"; }

# Ends the program with a reason and what to do.
fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# step LIMIT TITLE COMMAND…: runs a command that may take so many seconds; its failure ends the program.
step() {
    local limit=$1 title=$2 status=0
    shift 2
    say "$title"
    timeout --foreground --kill-after=30 "$limit" "$@" || status=$?
    if ((status == 124 || status == 137)); then
        fail "$title: not done after $limit s"
    elif ((status != 0)); then
        fail "$title: failed (exit code $status)"
    fi
}

# install_packages PACKAGE…: from Debian or Ubuntu.
install_packages() {
    (($#)) || return 0
    command -v apt-get >/dev/null || fail "missing: $*. Install them with your package manager, then start again"
    ((EUID == 0)) || command -v sudo >/dev/null ||
        fail "missing: $*. As root, run: apt-get install $*; then start again"
    say "installing system packages: $*"
    local log
    log=$(mktemp)
    if ! { apt update && apt install --yes --no-install-recommends "$@"; } >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        fail "the system packages could not be installed; all of what apt said is in $log"
    fi
    rm "$log"
}

# apt-get that asks nothing and waits for another one to end.
apt() {
    local root=()
    ((EUID == 0)) || root=(sudo)
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get --quiet -o DPkg::Lock::Timeout=300 "$@"
}

have_postgres_server() {
    compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || command -v postgres >/dev/null
}

have_python_venv() { python3 -c 'import ensurepip, venv' 2>/dev/null; }

# What the programs need in order to be built and to run.
ensure_build_tools() {
    local missing=()
    command -v cc >/dev/null || missing+=(build-essential)
    have_postgres_server && command -v psql >/dev/null || missing+=(postgresql)
    install_packages "${missing[@]}"
    ensure_rust
}

# Rust in the version of rust-toolchain.toml.
ensure_rust() {
    local wanted found
    wanted=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
    PATH=${CARGO_HOME:-${HOME:-}/.cargo}/bin:$PATH
    if ! command -v cargo >/dev/null; then
        apt-cache show rustup >/dev/null 2>&1 ||
            fail "Rust is missing and this system has no package rustup: install it from https://rustup.rs, then start again"
        install_packages rustup
    fi
    if ! cargo --version >/dev/null 2>&1 && command -v rustup >/dev/null; then
        say "installing Rust $wanted"
        rustup toolchain install "$wanted" --profile minimal --component rustfmt --component clippy
    fi
    found=$(rustc --version | cut -d' ' -f2)
    printf '%s\n%s\n' "$wanted" "$found" | sort --version-sort --check=quiet ||
        fail "Rust $found is too old, $wanted is needed: install rustup from https://rustup.rs, then start again"
}
