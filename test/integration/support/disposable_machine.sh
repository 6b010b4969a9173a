#!/bin/bash
#
# Runs the steps of DisposableMachine in namespaces that unshare(1) has made:
#
#   disposable_machine.sh FOLDER STAGED [try]
#
# FOLDER has the file `script`, which calls `put` and `run`. STAGED has the files of `make install`.
# With `try` it only tells whether it can have a file system of its own.
# All processes end with this one, which is the first of its pid namespace.

set -euo pipefail

folder=$1
staged=$2
root=$folder/root

mkdir "$folder/layer" "$root"
mount -t tmpfs none "$folder/layer"
mkdir "$folder/layer/upper" "$folder/layer/work"
mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/layer/upper,workdir=$folder/layer/work" "$root"
echo "a machine of its own is there"
[ "${3:-}" != try ] || exit 0
cp -R --no-dereference "$staged/." "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
# Without control groups, in which something would be left.
mount -t sysfs -o ro none "$root/sys"
mount -t tmpfs none "$root/run"
mount -t tmpfs -o mode=1777 none "$root/tmp"
mkdir -m 1777 "$root/run/lock"
mkdir "$root/run/steps"
cp -R "$folder/files" "$folder/script" "$root/run/steps/"
ip link set lo up

cat >"$root/usr/local/bin/sudo" <<'SUDO'
#!/bin/sh
# Of sudo, as far as documents use it.
if [ "$1" = -u ]; then
    user=$2
    shift 2
    [ "$1" != -H ] || shift
    exec runuser -u "$user" -- env HOME="$(getent passwd "$user" | cut -d : -f 6)" "$@"
fi
exec env "$@"
SUDO
chmod 755 "$root/usr/local/bin/sudo"

cat >"$root/run/steps/main" <<'MAIN'
log=/var/log/apache2/error.log

starts() {
    grep -c 'resuming normal operations' "$log" 2>/dev/null || true
}

# The pids of httpd's children, without the agent.
children() {
    local pid httpd
    httpd=$(cat /run/apache2/apache2.pid 2>/dev/null) || return 0
    for pid in $(cat "/proc/$httpd/task/$httpd/children"); do
        [ "$(cat "/proc/$pid/comm")" != apache2 ] || echo "$pid"
    done 2>/dev/null
}

# wait_for COMMAND: until the command succeeds, for a minute at most.
wait_for() {
    local n
    for ((n = 0; n < 1200; n++)); do
        ! "$@" || break
        sleep 0.05
    done
}

more_starts() {
    [ "$(starts)" != "$1" ]
}

# none_alive PID...: a child of before a reload may still take connections.
none_alive() {
    ! kill -0 "$@" 2>/dev/null
}

put() {
    mkdir -p "$(dirname "$2")"
    cp "/run/steps/$1" "$2"
    if [[ $2 == /srv/* ]]; then
        local app=${2#/srv/}
        chown alice: "/srv/${app%%/*}" "$(dirname "$2")" "$2"
    fi
}

# Runs a command in this shell, so that its `cd` holds. A reload of httpd is waited for.
run() {
    local command starts_before children_before status=0
    command=$(cat "/run/steps/$1")
    starts_before=$(starts)
    children_before=$(children)
    echo "$2 begin"
    eval "$command" </dev/null >/run/steps/output 2>&1 || status=$?
    cat /run/steps/output
    if [[ $status == 0 && $command =~ apachectl.*(graceful|start)$ ]]; then
        wait_for more_starts "$starts_before"
        # shellcheck disable=SC2086
        [ -z "$children_before" ] || wait_for none_alive $children_before
    fi
    # The mark stands at the beginning of a line.
    [ -z "$(tail -c 1 /run/steps/output)" ] || echo
    echo "$2 end $status"
    if [ $status != 0 ]; then
        echo "--- $log"
        tail -n 40 "$log"
        exit 1
    fi
}

useradd --create-home --shell /bin/bash alice
# On a terminal curl shows no meter.
echo silent | tee /root/.curlrc >/home/alice/.curlrc
# As a new Debian has it: no site, and none of this machine's additional modules.
rm -f /etc/apache2/sites-enabled/* /etc/apache2/mods-enabled/{passenger,wsgi,xsendfile}.*
rm -f /etc/apache2/mods-available/passenger.*
rm -rf /var/log/apache2/* /srv/*
echo 'ServerName localhost' >/etc/apache2/conf-enabled/servername.conf
echo 'LoadModule passenger_module /usr/local/lib/apache2/modules/mod_passenger.so' \
    >/etc/apache2/mods-available/passenger.load
a2enmod --quiet passenger
apachectl start >/run/steps/output 2>&1 || { cat /run/steps/output; exit 1; }
wait_for more_starts 0
. /run/steps/script
MAIN

# The environment of a shell of root.
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 chroot "$root" bash -c 'cd /root && . /run/steps/main'
