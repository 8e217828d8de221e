# SPDX-License-Identifier: Apache-2.0
# First process of a machine of the test world. Arguments: name, folder, "own" for an own /var/lib and /run.
# It ends when its standard input ends; the kernel then kills all other processes of the machine.
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
# A shell that waits for one child also reaps the orphans that the first process inherits.
wait $!
