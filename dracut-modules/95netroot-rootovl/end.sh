#!/bin/sh
# dracut hook (cleanup, the last one): undoes what start.sh changed, before init starts.
cat /run/netroot/randomize_va_space > /proc/sys/kernel/randomize_va_space
rm -f /run/netroot/randomize_va_space
