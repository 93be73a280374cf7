import Glibc
import NetrootConfig
import NetrootEntry
import NetrootSite
import NetrootSystem

/// A QEMU machine without a disk, which boots over the network.
///
/// The options are those of qemu(1), QEMU 7.2.
struct Machine: Sendable {
    /// Memory in MiB.
    var memory: Int
    /// Its network cards; it boots from the first.
    var cards: [NetworkCard]
    /// A kernel that QEMU loads itself; nil: the firmware asks the network.
    var kernel: Kernel?
    /// UEFI's code and the machine's own copy of its variables; nil: BIOS.
    var uefi: (code: String, variables: String)?
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

    /// A kernel with its initramfs, by their paths, and its command line.
    struct Kernel: Sendable, Equatable {
        var path: String
        var initramfs: String
        var commandLine: String
    }

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
        // Under TCG `rep stosb` stalls the guest where the processor offers it: soft lockups of up to 100 s.
        argv += kvm ? ["-accel", "kvm", "-cpu", "host"] : ["-accel", "tcg,thread=multi", "-cpu", "max,-erms,-fsrm"]
        argv += ["-smp", "2", "-m", "\(memory)", "-boot", "n", "-display", "none", "-vga", "std"]
        if let uefi {
            argv += ["-machine", "q35"]
            for (unit, drive) in [
                "readonly=on,file=\(Self.escaped(uefi.code))", "file=\(Self.escaped(uefi.variables))",
            ]
            .enumerated() {
                argv += ["-drive", "if=pflash,format=raw,unit=\(unit),\(drive)"]
            }
        }
        for (number, card) in cards.enumerated() { argv += card.argv(number, uefi: uefi != nil) }
        if let kernel {
            argv += ["-kernel", kernel.path, "-initrd", kernel.initramfs, "-append", kernel.commandLine]
        }
        // Without a source of randomness sshd waits for entropy.
        argv += ["-device", "virtio-rng-pci"]
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

extension NetworkBoot {
    /// The machine that boots these files.
    /// - Throws: `SystemError`.
    func machine(
        _ files: BootFiles, in session: BootSession, terminal: Bool, checkSocket: String?, endsAtReboot: Bool
    ) throws -> Machine {
        var uefi: (code: String, variables: String)?
        if way.firmware == .uefi {
            let variables = session.directory + "/ovmf-vars.fd"
            try ovmf.copyVariables(to: variables)
            uefi = (ovmf.code, variables)
        }
        return Machine(
            memory: label.vmMemory,
            cards: [.user(tftp: files.directory, bootFile: files.bootFile, sshPort: sshPort)], kernel: files.kernel,
            uefi: uefi,
            consoleLog: BootSession.consoleLog(label), terminal: terminal, checkSocket: checkSocket,
            endsAtReboot: endsAtReboot, extra: label.extraQEMU, kvm: try Machine.canUseKVM())
    }
}
