import Glibc
import NetrootSystem

/// A QEMU machine that boots by PXE: firmware of the network card, DHCP and TFTP by QEMU's user network.
///
/// The options are those of qemu(1), QEMU 7.2.
struct Machine: Sendable, Equatable {
    /// Memory in MiB.
    var memory: Int
    /// The TFTP root.
    var tftp: String
    /// The port on 127.0.0.1 that leads to the guest's ssh.
    var sshPort: Int
    /// Where the console (ttyS0) is kept.
    var consoleLog: String
    /// Whether the console is on the caller's terminal too.
    var terminal: Bool
    /// The Unix socket of the guest's second serial port (ttyS1); nil: there is none.
    var checkSocket: String?
    /// Whether QEMU ends when the guest reboots.
    var endsAtReboot = false
    /// More arguments, from the hosts file.
    var extra: [String]
    /// Whether KVM may be used.
    var kvm: Bool

    /// The program and the packages that bring it, its network card's firmware and its BIOS.
    static let tools = [Tool("qemu-system-x86_64", package: "qemu-system-x86")]
    /// Addresses of QEMU's user network.
    static let guestAddress = "10.0.2.15"
    static let hostAddress = "10.0.2.2"
    static let nameserver = "10.0.2.3"
    static let netmask = "255.255.255.0"

    /// KVM where the processor has virtualisation and the device may be opened.
    static func canUseKVM() throws -> Bool {
        let cpu = try Files.text("/proc/cpuinfo")
        return access("/dev/kvm", R_OK | W_OK) == 0 && supportsVirtualisation(cpu)
    }

    /// Whether /proc/cpuinfo names Intel's or AMD's virtualisation.
    static func supportsVirtualisation(_ cpuinfo: String) -> Bool {
        cpuinfo.split(separator: "\n").contains { line in
            line.hasPrefix("flags") && line.split(separator: " ").contains { $0 == "vmx" || $0 == "svm" }
        }
    }

    /// The whole command.
    var argv: [String] {
        var argv = ["qemu-system-x86_64", "-nodefaults", "-no-user-config"]
        // Under TCG `rep stosb` stalls the guest where the processor offers it (FACTS: soft lockups).
        argv += kvm ? ["-accel", "kvm", "-cpu", "host"] : ["-accel", "tcg,thread=multi", "-cpu", "max,-erms,-fsrm"]
        argv += ["-smp", "2", "-m", "\(memory)", "-boot", "n", "-display", "none", "-vga", "std"]
        argv += [
            "-netdev",
            "user,id=n0,tftp=\(Self.escaped(tftp)),bootfile=pxelinux.0,hostfwd=tcp:127.0.0.1:\(sshPort)-:22",
            "-device", "virtio-net-pci,netdev=n0",
            // Without a source of randomness sshd waits for entropy.
            "-device", "virtio-rng-pci",
        ]
        if terminal {
            argv += ["-chardev", "stdio,id=console,signal=on,logfile=\(Self.escaped(consoleLog)),logappend=off"]
        } else {
            argv += ["-chardev", "file,id=console,path=\(Self.escaped(consoleLog)),append=on"]
        }
        argv += ["-serial", "chardev:console"]
        if let checkSocket {
            argv += [
                "-chardev", "socket,id=check,path=\(Self.escaped(checkSocket)),server=on,wait=off",
                "-serial", "chardev:check",
            ]
        }
        if endsAtReboot { argv.append("-no-reboot") }
        return argv + extra
    }

    /// QEMU's option lists end a value at a comma; a doubled one stands for itself.
    static func escaped(_ value: String) -> String {
        value.split(separator: ",", omittingEmptySubsequences: false).joined(separator: ",,")
    }
}
