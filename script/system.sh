# shellcheck shell=bash
#
# Makes a new Debian in a folder, for script/fresh, script/package, script/boot and script/container.
# Sourced after common.sh. make_system reads `suite` and `updates`, and sets `system`, the folder, and `commit`. The folder
# is removed at the script's end, also after Ctrl-C.

CACHE=/var/cache/mod_passenger-fresh
CACHE_MINUTES=1440
# The user with sudo in the new system.
ORDINARY_USER=fresh

suite=bookworm
updates=yes
system=
unshared=

# Prints the address of a Debian package source in this system's apt, by the source's label; nothing
# if apt has none.
source_of() {
    apt-get indextargets --format '$(LABEL)|$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
        sed -n "s/^$1|//p" | head -n 1
}

# Makes the base system as an archive, unless there is one of the last day. Another run may make it
# at the same time.
make_base() {
    local archive=$CACHE/$suite.tar mirror folder
    mkdir -p "$CACHE"
    exec 9>"$CACHE/$suite.lock"
    flock 9
    if [ -z "$(find "$CACHE" -maxdepth 1 -name "$suite.tar" -mmin "-$CACHE_MINUTES")" ]; then
        say "Making a base system of $suite"
        mirror=$(source_of Debian)
        folder=$(mktemp -d "$CACHE/$suite.XXXXXX")
        # shellcheck disable=SC2064
        trap "rm -rf '$folder'" EXIT
        debootstrap --variant=minbase "$suite" "$folder" ${mirror:+"$mirror"} >"$CACHE/$suite.log" 2>&1 ||
            fail "debootstrap failed:" "$(tail -n 3 "$CACHE/$suite.log")" \
                "Probable cause: no network, or a package source without $suite." "Next: see $CACHE/$suite.log"
        tar --create --one-file-system --numeric-owner --directory "$folder" --file "$archive.new" .
        mv "$archive.new" "$archive"
        rm -rf "$folder"
        trap - EXIT
    fi
    flock --unlock 9
}

# inside [--private-network] COMMAND...: runs the command in the system, in namespaces of its own.
# A private network has 127.0.0.1 only, and all ports are free. When unshare has ended, no mount and
# no process of the system is left. The command runs in the background: bash acts on a signal at
# once while it waits for a background process, but not during a foreground process.
inside() {
    local network=
    if [ "$1" = --private-network ]; then
        network=--net
        shift
    fi
    unshare --mount --pid --ipc $network --fork --kill-child --propagation private /bin/bash -euc '
        root=$1
        [ -z "$2" ] || ip link set lo up
        shift 2
        mount --bind "$root" "$root"
        mount -t proc proc "$root/proc"
        mount -t sysfs -o ro sysfs "$root/sys"
        mount -t tmpfs -o mode=755 dev "$root/dev"
        for name in null zero full random urandom tty; do
            touch "$root/dev/$name"
            mount --bind "/dev/$name" "$root/dev/$name"
        done
        mkdir "$root/dev/pts" "$root/dev/shm"
        mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
        mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
        ln -s pts/ptmx "$root/dev/ptmx"
        ln -s /proc/self/fd "$root/dev/fd"
        for pair in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${pair%%:*}" "$root/dev/${pair##*:}"; done
        # bash lets a background process ignore SIGINT. env is a child of bash: sudo as the first
        # process would lose the death signal of its parent.
        chroot "$root" /usr/bin/env -i --default-signal=INT,QUIT \
            PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 \
            DEBIAN_FRONTEND=noninteractive HOME=/root "$@"
        exit
    ' fresh "$system" "$network" "$@" &
    unshared=$!
    local status=0
    wait "$unshared" || status=$?
    unshared=
    return "$status"
}

clean_up() {
    trap '' INT TERM HUP
    if [ -n "$unshared" ]; then
        kill -KILL "$unshared" 2>/dev/null || true
        wait "$unshared" 2>/dev/null || true
    fi
    rm -rf --one-file-system "$system"
}

# Gives apt in the system the same network as apt here.
copy_network() {
    cp -L /etc/resolv.conf "$system/etc/resolv.conf" 2>/dev/null || true
    # sudo looks the name up.
    echo "127.0.0.1 localhost $(hostname)" >"$system/etc/hosts"
    apt-config dump --format '%f "%v";%n' 'Acquire::http::Proxy' 'Acquire::https::Proxy' 2>/dev/null \
        >"$system/etc/apt/apt.conf.d/90proxy" || true
    if [ -n "$updates" ]; then
        local main security
        main=$(sed -n 's/^deb \([^ ]*\) .*/\1/p' "$system/etc/apt/sources.list" | head -n 1)
        security=$(source_of Debian-Security)
        # Mirrors have both archives side by side.
        echo "deb ${security:-${main%/}-security} $suite-security main" >>"$system/etc/apt/sources.list"
        echo "deb $main $suite-updates main" >>"$system/etc/apt/sources.list"
    fi
}

# Unpacks the base system, with the network of this one.
unpack_system() {
    is_root || fail "$0 makes a system by chroot, which needs root." "Next: sudo $0 $suite"
    command -v debootstrap >/dev/null || fail "debootstrap is not installed." "Next: apt-get install debootstrap"
    make_base
    commit=$(git -C "$SOURCE_DIR" rev-parse HEAD)
    system=$(mktemp -d "$CACHE/system.XXXXXX")
    trap clean_up EXIT
    trap 'exit 130' INT TERM HUP
    say "Unpacking $suite in $system"
    tar --extract --numeric-owner --directory "$system" --file "$CACHE/$suite.tar"
    chmod 755 "$system"
    copy_network
}

# Makes a new system with updates, git and an ordinary user with sudo.
make_system() {
    unpack_system
    say "Installing updates, git and sudo"
    # The system lives for one run.
    echo 'Acquire::Languages "none";' >"$system/etc/apt/apt.conf.d/90languages"
    echo force-unsafe-io >"$system/etc/dpkg/dpkg.cfg.d/unsafe-io"
    # A service would run on this machine, not in the system.
    printf '#!/bin/sh\nexit 101\n' >"$system/usr/sbin/policy-rc.d"
    chmod 755 "$system/usr/sbin/policy-rc.d"
    inside sh -euc '
        apt-get -qq update
        apt-get -qq -y -o Dpkg::Use-Pty=0 dist-upgrade
        apt-get -qq -y -o Dpkg::Use-Pty=0 install --no-install-recommends git procps sudo
        # No uid that useradd gives on this machine: its tests make users meanwhile.
        useradd --uid 60999 --create-home --shell /bin/bash "$1"
        chmod 700 "/home/$1"
        echo "$1 ALL=(ALL) NOPASSWD: ALL" >/etc/sudoers.d/fresh
    ' prepare "$ORDINARY_USER" >"$system/prepare.log" 2>&1 ||
        fail "The system could not be prepared:" "$(tail -n 5 "$system/prepare.log")" "Probable cause: no network." \
            "Next: try again, and check /etc/apt of this system; the new system uses its sources, too."
}

# clone_into FOLDER USER [COMMIT]: the last commit of this checkout, or another one.
clone_into() {
    local cloned=${3:-$commit}
    say "Cloning commit ${cloned:0:10} into $1"
    git clone --quiet --no-hardlinks "$SOURCE_DIR" "$system$1"
    git -C "$system$1" checkout --quiet --detach "$cloned"
    inside chown -R "$2:" "$1"
}

# Prints the version of a package in the system.
version_of() {
    chroot "$system" dpkg-query --show --showformat='${db:Status-Abbrev}${Version}\n' "$1" 2>/dev/null | sed -n 's/^ii *//p' | tail -n 1
}
