// netroot-lease [--console FILE] [DIRECTORY]: keeps the DHCP leases of a diskless machine alive (docs/deployment.md).
//
// It runs in the booted root, from netroot-lease.service, and reads what the initramfs wrote into /run/netroot/lease.
import Glibc
import NetrootDHCP

var console = "/dev/kmsg"
var directory = "/run/netroot/lease"
var arguments = CommandLine.arguments.dropFirst()
while let argument = arguments.popFirst() {
    if argument == "--console", let path = arguments.popFirst() {
        console = path
    } else if !argument.hasPrefix("-"), arguments.isEmpty {
        directory = argument
    } else {
        let usage = Array("netroot-lease: usage: netroot-lease [--console FILE] [DIRECTORY]\n".utf8)
        write(2, usage, usage.count)
        exit(64)
    }
}
// A journal that went away.
signal(SIGPIPE, SIG_IGN)
var renewer = LeaseRenewer(directory: directory, console: LeaseConsole(path: console))
// sysexits(3), EX_CONFIG: the unit does not start it again for this.
if renewer.isEmpty { exit(78) }
// The program lies on the root, and the root may hang when the memory is short. What was used once stays in memory; not
// all of the program, which is some megabytes. Without the right to do so, it goes on as other programs do.
mlockall(Int32(MCL_CURRENT) | Int32(MCL_FUTURE) | Int32(MCL_ONFAULT))
renewer.run()
