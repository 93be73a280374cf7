#!/bin/sh
# Seconds since the kernel started, when the initramfs's first hook ran: for the boot check.
mkdir -p /run/netroot
read -r rootovl_up _ < /proc/uptime && echo "$rootovl_up" > /run/netroot/uptime-kernel
unset rootovl_up
