import TestSupport
import Testing

@testable import NetrootEntry

private let root = NFSRoot(server: "10.0.2.2", path: "/srv/netroots/debian12/generations/7/root", port: 20490)
private let fixed = ClientAddress.fixed(
    address: "10.0.2.15", gateway: "10.0.2.2", netmask: "255.255.255.0", hostname: "debian12", interface: "eth0")

@Suite struct KernelCommandLineTests {
    static let lines: [(name: String, line: KernelCommandLine)] = [
        (
            "cmdline-vm-ro",
            KernelCommandLine(root: root, address: fixed, nameserver: "10.0.2.3", virtualMachine: true)
        ),
        (
            "cmdline-vm-rw-debug",
            KernelCommandLine(root: root, address: fixed, rw: true, debug: true, virtualMachine: true)
        ),
        (
            "cmdline-kernel-nfsd-dhcp",
            KernelCommandLine(
                root: NFSRoot(server: "boot.example.org", path: "/srv/r"), address: .dhcp, overlaySize: "2g",
                containerStorage: "none", stableMachineID: true,
                extra: ["quiet", "dyndbg=file a.c +p", "x y", "-e=f"])
        ),
        (
            "cmdline-nbd-dhcp",
            KernelCommandLine(root: NBDRoot(server: "10.1.0.1", export: "debian12-7"), address: .dhcp)
        ),
        (
            "cmdline-nbd-vm",
            KernelCommandLine(
                root: NBDRoot(server: "10.0.2.2", export: "debian12-7", port: 4711), address: fixed,
                virtualMachine: true)
        ),
        (
            "cmdline-iscsi-dhcp",
            KernelCommandLine(
                root: ISCSIRoot(server: "10.1.0.1", target: "iqn.2026-11.invalid.netroot:debian-12-7"),
                address: .dhcp)
        ),
        (
            "cmdline-http",
            KernelCommandLine(
                root: HTTPRoot(url: "http://10.1.0.1:8080/netroot/a/7/root.squashfs", bytes: 123_456_789),
                address: .dhcp)
        ),
        ("cmdline-ram", KernelCommandLine(root: RAMRoot(), address: .dhcp, overlaySize: "2g")),
        (
            "cmdline-ram-vm",
            KernelCommandLine(
                root: RAMRoot(), address: fixed, nameserver: "10.0.2.3", containerStorage: "none",
                stableMachineID: true, debug: true, virtualMachine: true, extra: ["ip=eth0:dhcp", "root=/dev/x"])
        ),
    ]

    @Test(arguments: lines.indices)
    func golden(index: Int) throws {
        let row = Self.lines[index]
        try expectGolden(row.name, try row.line.rendered() + "\n")
    }

    @Test func otherInterfacesKeepTheirNames() throws {
        let address = ClientAddress.fixed(
            address: "10.0.0.2", gateway: "", netmask: "255.0.0.0", hostname: "", interface: "enp1s0")
        let line = try KernelCommandLine(root: root, address: address).rendered()
        #expect(line.hasPrefix("ip=10.0.0.2:::255.0.0.0::enp1s0:none root=nfs:"))
        #expect(!line.contains("mitigations"))
    }

    @Test(arguments: ["/a b", "/a,b", "/a:b", "/a\tb", "/a\nb", "a", "", "/a\"b", "/a\u{A0}b"])
    func badPaths(path: String) {
        #expect(throws: KernelCommandLineError.badValue("the root's path", path)) {
            try KernelCommandLine(root: NFSRoot(server: "s", path: path), address: .dhcp).rendered()
        }
    }

    @Test(arguments: ["", "http://", "ftp://x/y", "http://x/a b", "http://x/a,b", "http://x/é", "http://x/\"y"])
    func badURLs(url: String) {
        #expect(throws: KernelCommandLineError.badValue("the image's URL", url)) {
            try KernelCommandLine(root: HTTPRoot(url: url, bytes: 1), address: .dhcp).rendered()
        }
    }

    @Test(arguments: ["", "a b", "a:b", "a,b", "a\"b"])
    func badExports(name: String) {
        #expect(throws: KernelCommandLineError.badValue("the export", name)) {
            try KernelCommandLine(root: NBDRoot(server: "s", export: name), address: .dhcp).rendered()
        }
    }

    @Test func badValues() {
        func rendered(
            server: String = "s", port: Int? = nil, address: ClientAddress = .dhcp, nameserver: String? = nil,
            extra: [String] = []
        ) throws(KernelCommandLineError) -> String {
            try KernelCommandLine(
                root: NFSRoot(server: server, path: "/r", port: port), address: address, nameserver: nameserver,
                extra: extra
            ).rendered()
        }
        #expect(throws: KernelCommandLineError.self) { try rendered(server: "fe80::1") }
        #expect(throws: KernelCommandLineError.self) { try rendered(server: "") }
        #expect(throws: KernelCommandLineError.self) { try rendered(port: 0) }
        #expect(throws: KernelCommandLineError.self) { try rendered(port: 65536) }
        #expect(throws: KernelCommandLineError.self) { try rendered(nameserver: "1.1.1.1 root=/dev/sda") }
        #expect(throws: KernelCommandLineError.self) { try rendered(extra: [""]) }
        #expect(throws: KernelCommandLineError.self) { try rendered(extra: ["a\nb"]) }
        #expect(throws: KernelCommandLineError.self) { try rendered(extra: ["a=\"b c\""]) }
        let address = ClientAddress.fixed(
            address: "10.0.0.2", gateway: "", netmask: "255.0.0.0", hostname: "a:b", interface: "eth0")
        #expect(throws: KernelCommandLineError.self) { try rendered(address: address) }
    }

    @Test func length() throws {
        var line = KernelCommandLine(root: root, address: .dhcp)
        let rest = KernelCommandLine.limit - (try line.rendered().utf8.count) - 1
        line.extra = [String(repeating: "x", count: rest)]
        #expect(try line.rendered().utf8.count == KernelCommandLine.limit)
        line.extra = [String(repeating: "x", count: rest + 1)]
        #expect(throws: KernelCommandLineError.tooLong(bytes: 2048, limit: 2047)) { try line.rendered() }
    }
}
