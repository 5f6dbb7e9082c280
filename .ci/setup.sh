#!/usr/bin/env bash
# Installs what Ordergate is built and run with. Called by the Makefile; quick when nothing is missing.
#
#   setup.sh packages   compilers and libraries, from the Debian or Ubuntu archive
#   setup.sh python     .venv from uv.lock, with the generated code; --force makes it anew
#   setup.sh fuzzers    clang with libFuzzer, for make engine-check
#   setup.sh grpcurl    grpcurl, if Go is here (optional: tests that need it are skipped without)
#   setup.sh bench      what make bench alone needs: matplotlib, and ghz if Go is here (left out without)
set -euo pipefail
cd "$(dirname "$0")/.."
TOOLS=$PWD/.ordergate/tools
UV_VERSION=0.13.9
GRPCURL_VERSION=v1.9.3
GHZ_VERSION=v0.121.0
REDIS_MIN=7
POSTGRES_MIN=14
PACKAGES="g++ cmake ninja-build pkg-config libgrpc++-dev protobuf-compiler protobuf-compiler-grpc libprotobuf-dev
  libtomlplusplus-dev libcli11-dev libssl-dev libgtest-dev python3-venv redis-tools libfaketime"

say() { printf 'setup: %s\n' "$*" >&2; }
die() { say "$@"; exit 1; }

# No server is ever installed as a system service: the wheels of the extra `embedded` stand in for a missing one.
packages() {
  local missing=() name state root=()
  if ! command -v dpkg-query >/dev/null; then
    say "not a Debian or Ubuntu: these must be there already, under your system's names:" $PACKAGES
    return
  fi
  for name in $PACKAGES; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null || true)
    [ "$state" = installed ] || missing+=("$name")
  done
  [ ${#missing[@]} -eq 0 ] && return
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || die "missing: ${missing[*]}; install them as root: apt-get install ${missing[*]}"
    root=(sudo)
  fi
  say "installing ${missing[*]}"
  "${root[@]}" apt-get update -qq </dev/null
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" \
    </dev/null >/dev/null || die "apt-get could not install: ${missing[*]}"
}

fuzzers() {
  PACKAGES="clang-14 libclang-rt-14-dev"
  packages
}

# Prints the path of a uv that runs.
find_uv() {
  local uv
  for uv in "$TOOLS/bin/uv" uv; do
    if "$uv" --version >/dev/null 2>&1; then
      command -v "$uv"
      return
    fi
  done
  say "installing uv $UV_VERSION into $TOOLS"
  python3 -m venv "$TOOLS" >&2
  "$TOOLS/bin/pip" install -q --disable-pip-version-check "uv==$UV_VERSION" >&2
  echo "$TOOLS/bin/uv"
}

# at_least MIN PROGRAM...: true if one of the programs runs and is of that major version or later.
at_least() {
  local min=$1 program version
  shift
  for program in "$@"; do
    version=$("$program" --version 2>/dev/null | sed -nE 's/.*(v=|\) )([0-9]+).*/\2/p')
    [ -n "$version" ] && [ "$version" -ge "$min" ] && return
  done
  return 1
}

python() {
  local extra=() uv want stamp=.ordergate/setup.python
  at_least "$REDIS_MIN" redis-server valkey-server && at_least "$POSTGRES_MIN" postgres /usr/lib/postgresql/*/bin/postgres \
    || extra=(--extra embedded)
  want=$(find pyproject.toml uv.lock protos/hatch_build.py protos/ordergate -type f | sort | xargs sha256sum | sha256sum)
  want="${want%% *} ${extra[*]}"
  if [ "${1:-}" = --force ] || ! [ -x .venv/bin/ordergate ] || ! [ -d protos/gen/ordergate ] \
    || [ "$(cat "$stamp" 2>/dev/null)" != "$want" ]; then
    uv=$(find_uv)
    say "making .venv from uv.lock ${extra[*]}"
    # Our own package is built anew, because that is what generates protos/gen.
    "$uv" sync --locked --quiet --compile-bytecode "${extra[@]}" --reinstall-package ordergate </dev/null
    mkdir -p .ordergate
    printf '%s\n' "$want" >"$stamp"
  fi
  # Where PYTHONDONTWRITEBYTECODE is set, every process would compile all that it imports: 2 s of each start. What can't
  # be compiled or written here costs no more than that, and says more where it is imported.
  .venv/bin/python -m compileall -q gateway persistence protos/gen >/dev/null || true
}

grpcurl() {
  type -P grpcurl >/dev/null && return  # a program, not this function
  [ -x "$TOOLS/bin/grpcurl" ] && return
  command -v go >/dev/null || { say "no Go, so no grpcurl: the tests with it will be skipped"; return; }
  say "building grpcurl $GRPCURL_VERSION"
  mkdir -p "$TOOLS/bin"
  GOBIN=$TOOLS/bin go install "github.com/fullstorydev/grpcurl/cmd/grpcurl@$GRPCURL_VERSION" </dev/null \
    || say "grpcurl could not be built: the tests with it will be skipped"
}

bench() {
  local extra=()
  grep -q embedded .ordergate/setup.python 2>/dev/null && extra=(--extra embedded)
  if ! .venv/bin/python -c 'import matplotlib' 2>/dev/null; then
    say "adding matplotlib to .venv"
    "$(find_uv)" sync --locked --quiet --compile-bytecode --inexact --no-install-project "${extra[@]}" --group bench </dev/null
  fi
  command -v ghz >/dev/null || [ -x "$TOOLS/bin/ghz" ] && return
  command -v go >/dev/null || { say "no Go, so no ghz: the bench leaves its figures out"; return; }
  say "building ghz $GHZ_VERSION"
  mkdir -p "$TOOLS/bin"
  GOBIN=$TOOLS/bin go install "github.com/bojand/ghz/cmd/ghz@$GHZ_VERSION" </dev/null \
    || say "ghz could not be built: the bench leaves its figures out"
}

mkdir -p -m 700 .ordergate
case ${1:-} in
  packages | python | fuzzers | grpcurl | bench) "$@" ;;
  *) sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
