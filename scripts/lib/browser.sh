# shellcheck shell=bash
# The browser that the tests and the pictures of the dashboard need; after lib/environment.sh. Nothing is installed on the
# machine: where there is no Chromium, one is put into the cache.
#
#   tidemark_browser
#
# Reads:   CHROMIUM  the Chromium to use  (default: the one on the PATH, else one in the cache)
# Exports: PLAYWRIGHT_BROWSERS_PATH, and CHROMIUM where it is the cache's

tidemark_browser() {
  local browsers=$TIDEMARK_CACHE_ROOT/browsers
  export PLAYWRIGHT_BROWSERS_PATH=$browsers
  [[ -n ${CHROMIUM:-} ]] || command -v chromium >/dev/null && return
  if command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null; then
    tidemark_once "$browsers/debian/.complete" tidemark_unpack_browser "$browsers/debian" || return 1
    export CHROMIUM=$browsers/debian/chromium
  else
    tidemark_once "$browsers/.installed" tidemark_download_browser
  fi
}

tidemark_browser_failed() { # LOG
  tail -n 5 "$1" >&2
  tidemark_fail "could not get Chromium (all output: $1)" \
    "Install it, for example Debian's package chromium, or set CHROMIUM to its path."
}

# Debian's Chromium with what it needs and the machine does not have, of packages whose signatures apt has checked.
tidemark_unpack_browser() { # FOLDER
  local folder=$1 log=$TIDEMARK_CACHE_ROOT/log/browser libraries
  local apt=(apt-get --yes --no-install-recommends -o Debug::NoLocking=true -o APT::Sandbox::User=root
    -o "Dir::State::lists=$folder/lists" -o "Dir::Cache=$folder/cache")
  tidemark_say "downloading Debian's Chromium (once) …"
  rm -rf "$folder"
  mkdir -p "$folder"/{lists/partial,cache/archives/partial,root} || return 1
  {
    "${apt[@]}" update && "${apt[@]}" install --download-only chromium fonts-dejavu-core &&
      find "$folder/cache/archives" -name '*.deb' -print0 | xargs -0 -I '{}' dpkg-deb --extract '{}' "$folder/root"
  } >"$log" 2>&1 || tidemark_browser_failed "$log" || return 1
  rm -r "$folder/lists" "$folder/cache"
  libraries=$(find "$folder/root" -name '*.so*' -printf '%h\n' | sort -u | paste -s -d :)
  cat >"$folder/fonts.conf" <<FONTS || return 1
<?xml version="1.0"?>
<fontconfig>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
  <dir>$folder/root/usr/share/fonts</dir>
  <cachedir>$folder/fonts</cachedir>
</fontconfig>
FONTS
  cat >"$folder/chromium" <<WRAPPER || return 1
#!/bin/sh
LD_LIBRARY_PATH='$libraries' FONTCONFIG_FILE='$folder/fonts.conf' exec '$folder/root/usr/lib/chromium/chromium' "\$@"
WRAPPER
  chmod +x "$folder/chromium"
}

tidemark_download_browser() {
  local log=$TIDEMARK_CACHE_ROOT/log/browser
  mkdir -p "$PLAYWRIGHT_BROWSERS_PATH"
  tidemark_say "downloading Chromium (once) …"
  python -m playwright install chromium-headless-shell >"$log" 2>&1 || tidemark_browser_failed "$log"
}
