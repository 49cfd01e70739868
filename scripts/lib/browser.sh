# shellcheck shell=bash
# The browser that the tests and the pictures of the dashboard need; after lib/environment.sh.
#
#   tidemark_browser    # finds Chromium, or installs it
#
# Reads:   CHROMIUM  the Chromium to use  (default: the one on the PATH, else one is installed)
# Exports: PLAYWRIGHT_BROWSERS_PATH

tidemark_browser() {
  export PLAYWRIGHT_BROWSERS_PATH=$TIDEMARK_CACHE_ROOT/browsers
  [[ -n ${CHROMIUM:-} ]] || command -v chromium >/dev/null && return
  if ((EUID == 0)) && command -v apt-get >/dev/null; then
    tidemark_say "installing Debian's Chromium …"
    tidemark_apt chromium
  else
    tidemark_once "$PLAYWRIGHT_BROWSERS_PATH/.installed" tidemark_download_browser
  fi
}

tidemark_apt() { # PACKAGE...
  local log=$TIDEMARK_CACHE_ROOT/log/apt
  { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$@"; } >"$log" 2>&1 && return
  tail -n 5 "$log" >&2
  tidemark_fail "could not install Debian's package $* (all output: $log)" \
    "Install Chromium yourself, or set CHROMIUM to its path."
}

tidemark_download_browser() {
  local log=$TIDEMARK_CACHE_ROOT/log/browser
  mkdir -p "$PLAYWRIGHT_BROWSERS_PATH"
  tidemark_say "downloading Chromium …"
  python -m playwright install chromium-headless-shell >"$log" 2>&1 && return
  tail -n 5 "$log" >&2
  tidemark_fail "could not download Chromium (all output: $log)" \
    "Install it, for example Debian's package chromium, or set CHROMIUM to its path."
}
