# SPDX-License-Identifier: Apache-2.0
# First process of a machine of the test world: name, folder, "own" for a /var/lib and /run of its own.
# Ends when its standard input does, and the kernel then ends all others.
set -e
hostname "$1"
ip link set lo up
mount --bind "$2/etc/boot-id" /proc/sys/kernel/random/boot_id
if [ -e /etc/machine-id ]; then mount --bind "$2/etc/machine-id" /etc/machine-id; fi
if [ "$3" = own ]; then
  mount --bind "$2/var-lib" /var/lib
  mount -t tmpfs -o mode=755 tmpfs /run
fi
echo ready
exec 3<&0 >/dev/null 2>&1
cat <&3 &
# A shell that waits for one child also reaps the orphans that a first process inherits.
wait $!
