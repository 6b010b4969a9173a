# shellcheck shell=bash
#
# Functions that the scripts in this folder share. Sourced by bash.

set -euo pipefail

# Files must be readable for httpd's user, whatever the caller's umask is.
umask 022

# On Debian the scripts use Debian's programs, which script/setup installs. The Ruby of rbenv or rvm,
# and that of a shell within `bundle exec`, lacks the libraries.
if command -v dpkg-query >/dev/null; then
    PATH=/usr/bin:$PATH
    unset RUBYOPT RUBYLIB BUNDLE_GEMFILE GEM_HOME GEM_PATH
fi

# curl has no exception for 127.0.0.1, and asks a proxy for the pages of our servers.
export no_proxy=127.0.0.1,${no_proxy:-${NO_PROXY:-}}

# cd would print where it goes.
unset CDPATH
# configure would choose bash, for make and libtool as well. Debian's sh starts in half the time.
export CONFIG_SHELL=/bin/sh
SOURCE_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# An absolute path without links: script/setup may make it a link, and httpd's user may not be able
# to reach the link.
BUILD_DIR=$(realpath -m "${BUILD_DIR:-$SOURCE_DIR/build}")

# The user of a private httpd that root starts.
WEB_USER=www-data

# Prints the begin of a step.
say() {
    printf '==> %s\n' "$*"
}

# Ends the script with the problem and, line by line, its remedy.
fail() {
    printf '\n%s: %s\n' "$(basename "$0")" "$1" >&2
    shift
    printf '%s\n' "$@" | sed 's/^/    /' >&2
    exit 1
}

# progress TOTAL PATTERN WHAT: counts the lines of standard input that match the pattern (extended
# regular expression) and prints how many of TOTAL there were. On a terminal it updates one line,
# elsewhere it prints each tenth. Other lines are dropped. Not awk: Debian's mawk reads its input in
# blocks.
progress() {
    local total=$1 pattern=$2 what=$3 count=0 line
    while IFS= read -r line; do
        [[ $count -lt $total && $line =~ $pattern ]] || continue
        count=$((count + 1))
        if [ -t 1 ]; then
            printf '\r    %d of %d %s' "$count" "$total" "$what"
        elif [ $((10 * count / total)) -gt $((10 * (count - 1) / total)) ]; then
            printf '    %d of %d %s\n' "$count" "$total" "$what"
        fi
    done
    [ ! -t 1 ] || [ "$count" = 0 ] || echo
}

is_root() {
    [ "$(id -u)" = 0 ]
}

# True if httpd's user may enter a folder.
reachable() {
    ! is_root || setpriv --reuid="$WEB_USER" --regid="$WEB_USER" --clear-groups test -x "$1/."
}

# Prints the pids and those of all their descendants.
descendants() {
    local pid children
    for pid in "$@"; do
        echo "$pid"
        read -r -d '' -a children < <(cat "/proc/$pid/task"/*/children 2>/dev/null) || true
        descendants "${children[@]}"
    done
}

# Prints the pids that still run. A zombie has no command line.
still_running() {
    local pid
    for pid in "$@"; do
        [ -z "$(cat "/proc/$pid/cmdline" 2>/dev/null | tr -d '\0')" ] || echo "$pid"
    done
}

# Prints the published commit that HEAD is based on. Nothing, if HEAD itself is published, as in CI, or
# if nothing is: then it is not known which commits are new.
published_commit() {
    local base
    base=$(git -C "$SOURCE_DIR" merge-base HEAD origin/HEAD 2>/dev/null ||
        git -C "$SOURCE_DIR" merge-base HEAD origin/main 2>/dev/null) || return 0
    [ "$base" = "$(git -C "$SOURCE_DIR" rev-parse HEAD)" ] || echo "$base"
}

# Prints the value of a variable of the build's Makefile.
make_variable() {
    # The last line: make may print something about the Makefile before it.
    make --silent --no-print-directory -C "$BUILD_DIR" "print-$1" | tail -n 1
}

# configure_sanitized FOLDER COMPILER SANITIZERS: makes the folder with its Makefile, unless there is
# one from the same arguments. CI compiles all files with sanitizers, so their code is not optimised;
# only ThreadSanitizer would be slow. clang's build with the address sanitizer has the fuzzers, too.
# LLVM's linker takes a fifth of the other one's time. The link to united.mk makes it compile several
# sources as one.
configure_sanitized() {
    local folder=$1 compiler=$2 sanitizers=$3 flags='-O0 -g1' fuzzers= linker= arguments
    [ "$sanitizers" != thread ] || flags='-O1 -g1'
    # g++ warns falsely of code with checks in it.
    [[ $compiler != g++* ]] || flags+=' -w'
    [ "$compiler $sanitizers" != "clang++ address,undefined" ] || fuzzers=--enable-fuzzers
    [[ $compiler != clang* ]] || ! command -v ld.lld >/dev/null || linker=LDFLAGS=-fuse-ld=lld
    arguments=(--enable-development --enable-precompiled-header --enable-sanitizers="$sanitizers" $fuzzers
        CXX="$compiler" CXXFLAGS="$flags" $linker)
    [ "$(cat "$folder/arguments" 2>/dev/null)" != "${arguments[*]}" ] || return 0
    rm -rf "$folder"
    mkdir -p "$folder/root"
    # The ordinary build's library, which each user may read.
    [ ! -e "$BUILD_DIR/root/lib" ] || ln -s "$BUILD_DIR/root/lib" "$folder/root/lib"
    ln -s "$SOURCE_DIR/script/united.mk" "$folder/GNUmakefile"
    (cd "$folder" && "$SOURCE_DIR/configure" "${arguments[@]}") && echo "${arguments[*]}" >"$folder/arguments"
}

# sanitized_folder COMPILER SANITIZERS. A comma would end the sanitizers' option that names it.
sanitized_folder() {
    echo "$BUILD_DIR/sanitizers/$1-${2//,/-}"
}
