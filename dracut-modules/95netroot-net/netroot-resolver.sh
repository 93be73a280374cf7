#!/bin/sh
# Functions of dracut's hook net.sh: the name servers of the running system. Sourcing has no side effects, so they can be
# tested anywhere.

# net_has_nameserver FILE: whether it names a server.
net_has_nameserver() (
    [ -s "$1" ] || exit 1
    while read -r word _ || [ -n "$word" ]; do
        [ "$word" != nameserver ] || exit 0
    done < "$1"
    exit 1
)
