# shellcheck shell=bash
# The cluster of docker-compose.yml, from any folder. Needs scripts/lib/environment.sh first.
#
# Reads: TIDEMARK_ON   cluster: run there; here: on this machine     (default: the cluster if it is up, else here)
#        SPARK_MASTER  set, here or in .env: a master of one's own, so not the cluster

TIDEMARK_COMPOSE=(docker compose --project-directory "$TIDEMARK_HOME" --file "$TIDEMARK_HOME/docker-compose.yml")

tidemark_on_cluster() { # whether a command is meant for the cluster
  local found
  case ${TIDEMARK_ON:-} in
    cluster) return 0 ;;
    here) return 1 ;;
    "") ;;
    *)
      tidemark_fail "TIDEMARK_ON is '$TIDEMARK_ON'" "Expected cluster or here."
      exit 2
      ;;
  esac
  if [[ -n ${SPARK_MASTER:-} ]] || grep -qs '^SPARK_MASTER=' "$TIDEMARK_HOME/.env"; then return 1; fi
  command -v docker >/dev/null || return 1
  found=$("${TIDEMARK_COMPOSE[@]}" ps --status running --quiet spark-master) || {
    tidemark_say "on this machine, as Docker does not answer"
    return 1
  }
  [[ -n $found ]] || return 1
  tidemark_say "on the cluster that runs in Docker (TIDEMARK_ON=here: on this machine instead)"
}

tidemark_run() { # OPTION ... SERVICE [WORD ...]: a container of its own for one command; what it needs must be up
  local run=("${TIDEMARK_COMPOSE[@]}" --progress quiet run --rm --no-deps) stopped='' status=0
  if [[ -t 0 && -t 1 ]]; then exec "${run[@]}" "$@"; fi
  # Without a terminal compose leaves the container at work when it is asked to stop, so that is done here.
  TIDEMARK_CONTAINER=tidemark-run-$$
  trap 'stopped=yes; docker stop --time 60 "$TIDEMARK_CONTAINER" >/dev/null 2>&1 || true' INT TERM
  setsid "${run[@]}" --no-TTY --name "$TIDEMARK_CONTAINER" "$@" </dev/null &
  wait $! || status=$?
  while [[ $stopped ]]; do # the wait was cut short
    stopped='' status=0
    wait $! || status=$?
  done
  exit "$status"
}

tidemark_require_docker() {
  command -v docker >/dev/null || tidemark_fail "the command docker is not there" "Expected Docker with its compose plugin."
}

tidemark_exec() { # SERVICE WORD ...: a command in a container that runs
  local terminal=()
  tidemark_require_docker
  [[ -n $("${TIDEMARK_COMPOSE[@]}" ps --status running --quiet "$1") ]] ||
    tidemark_fail "the service $1 does not run" "Bring the cluster up with: ./scripts/up" || exit 1
  [[ -t 0 && -t 1 ]] || terminal=(--no-TTY)
  exec "${TIDEMARK_COMPOSE[@]}" exec "${terminal[@]}" "$@"
}
