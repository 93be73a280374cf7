#!/bin/sh
# dracut hook (cmdline, the first one).
mkdir -p /run/netroot

# Seconds since the kernel started, for the boot check.
read -r rootovl_up _ < /proc/uptime && echo "$rootovl_up" > /run/netroot/uptime-kernel
unset rootovl_up

# Without address randomisation while the initramfs runs; end.sh gives it back before init starts. Under QEMU's TCG
# every process otherwise translates libc anew, and the kernel stalls for 5 to 15 s clearing those pages when the
# initramfs is freed (docs/boot-time.md).
cat /proc/sys/kernel/randomize_va_space > /run/netroot/randomize_va_space
echo 0 > /proc/sys/kernel/randomize_va_space
