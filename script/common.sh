# shellcheck shell=bash
#
# What the scripts beside this file share. Sourced by bash.

set -euo pipefail

# Files must be readable for httpd's user, whatever the caller's habits are.
umask 022

SOURCE_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# script/setup may make it a link. Absolute, and the place itself, since httpd's user may not get to the link.
BUILD_DIR=$(realpath -m "${BUILD_DIR:-$SOURCE_DIR/build}")

# The user that a private httpd serves as, where root starts it.
WEB_USER=www-data

# A step begins.
say() {
    printf '==> %s\n' "$*"
}

# The script cannot go on: what is wrong, and then, line by line, what to do about it.
fail() {
    printf '\n%s: %s\n' "$(basename "$0")" "$1" >&2
    shift
    printf '%s\n' "$@" | sed 's/^/    /' >&2
    exit 1
}

# progress TOTAL PATTERN WHAT: counts the lines of standard input that match the pattern (extended regular expression),
# and says how many of TOTAL there were: on a terminal in one line that changes, elsewhere at each tenth. Other lines
# are not shown. Not awk: Debian's mawk reads its input in blocks.
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

# Whether httpd's user may enter a folder.
reachable() {
    ! is_root || setpriv --reuid="$WEB_USER" --regid="$WEB_USER" --clear-groups test -x "$1/."
}

# The value of a variable of the build's Makefile.
make_variable() {
    # The last line: before it, make may have something to say about the Makefile itself.
    make --silent --no-print-directory -C "$BUILD_DIR" "print-$1" | tail -n 1
}
