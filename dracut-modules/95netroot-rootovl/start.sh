#!/bin/sh
# dracut hook (cmdline, the first one).
mkdir -p /run/netroot

# Record the seconds since the kernel started, for the boot check.
read -r rootovl_up _ < /proc/uptime && echo "$rootovl_up" > /run/netroot/uptime-kernel
unset rootovl_up

# Turn off address randomisation while the initramfs runs; end.sh restores it before init starts. Otherwise, under
# QEMU's TCG, every process translates libc again, and the kernel stalls for 5 to 15 s when it frees the initramfs and
# clears those pages (docs/boot-time.md in the source).
cat /proc/sys/kernel/randomize_va_space > /run/netroot/randomize_va_space
echo 0 > /proc/sys/kernel/randomize_va_space
