#!/bin/busybox sh
# The first program of the machine: modules, interfaces, the scripts, off.
/bin/busybox --install -s /bin
export PATH=/bin:/usr/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts pts /dev/pts
mount -t tmpfs shm /dev/shm
mkdir -p /etc
echo 'nobody:x:65534:65534::/:/bin/sh' >/etc/passwd
echo 'nogroup:x:65534:' >/etc/group
exec </dev/null >/dev/console 2>&1
echo
echo 3 >/proc/sys/kernel/printk # no news of the kernel between our lines
for word in $(cat /proc/cmdline); do
    case $word in
    vm_modules=*) modules=$(echo "${word#*=}" | tr , ' ') ;;
    vm_scripts=*) scripts=$(echo "${word#*=}" | tr , ' ') ;;
    esac
done
for module in $modules; do
    insmod "/modules/$module.ko" || echo "vm: no module $module"
done
/iproute2/ip link set lo up
/iproute2/ip link add vcan0 type vcan
for script in $scripts; do
    mkdir -p "/tmp/$script"
    echo "vm: script $script"
    (cd "/tmp/$script" && exec sh -euc '. /guest.sh; . "/scripts/$0"' "$script")
    echo "vm: script $script ended with $?"
done
poweroff -f
