#!/bin/bash
#
# Becomes the first process of a container, in namespaces that unshare(1) has made:
#
#   container.sh FOLDER LOWER STAGED UID:GID PLACE COMMAND...
#
# The root file system is read-only: that of LOWER, with what STAGED and FOLDER/files have.
# FOLDER/prepare has commands that the image's recipe runs. At PLACE is the folder FOLDER/changes,
# to which all may write, as to a volume of Kubernetes. The command has the environment of
# FOLDER/environment, no capability, and gets none by executing a program.

set -euo pipefail

folder=$1
lower=$2
staged=$3
user=$4
place=$5
shift 5
root=$folder/root

mkdir -p "$folder/layer" "$root"
mount -t tmpfs -o mode=755 none "$folder/layer"
mkdir "$folder/layer/upper" "$folder/layer/work"
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$folder/layer/upper,workdir=$folder/layer/work" "$root"
[ -z "$staged" ] || cp -R --no-dereference "$staged/." "$root"
cp -R --no-dereference "$folder/files/." "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=1777 none "$root/dev/shm"
chroot "$root" sh -euc "$(cat "$folder/prepare")"
mount --bind "$folder/changes" "$root$place"
mount -o remount,bind,ro "$root"
ip link set lo up
mapfile -t environment <"$folder/environment"
exec env -i "${environment[@]}" chroot "$root" setpriv --reuid="${user%:*}" --regid="${user#*:}" --clear-groups \
    --bounding-set=-all --inh-caps=-all --no-new-privs --pdeathsig=KILL -- "$@"
