# shellcheck shell=bash
# shellcheck disable=SC2154 # `run` sets $scratch
# How a check is made and told.
#
# Sourced by `run`.

passed=0 failed=0

# check NAME COMMAND...: one line. COMMAND runs under `set -e`; what it prints is the reason if it fails.
check() {
  local name=$1 status
  shift
  set +e
  (
    set -e
    "$@"
  ) >"$scratch/check.log" 2>&1 </dev/null
  status=$?
  set -e
  if ((status == 0)); then
    passed=$((passed + 1))
    echo "ok $name"
  else
    failed=$((failed + 1))
    echo "FAILED $name: $(tail -n 12 "$scratch/check.log" | tr '\n' ' ')(status $status)"
  fi
}

# same WHAT EXPECTED FOUND
same() {
  [[ $2 == "$3" ]] && return
  printf '%s differ: ' "$1"
  diff <(printf '%s\n' "$2") <(printf '%s\n' "$3") | grep '^[<>]' || true
  return 1
}

# refused COMMAND...: an engine that does not take an archive.
refused() {
  if "$@"; then
    echo "succeeded: $*"
    return 1
  fi
}

# exits STATUS COMMAND...
exits() {
  local expected=$1 status=0
  shift
  "$@" || status=$?
  same 'exit statuses' "$expected" "$status"
}

lines() {
  printf '%s\n' "$@" | LC_ALL=C sort
}
