import NetrootSystem
import TestSupport
import Testing

@testable import NetrootEntry

@Suite struct ServerAddressTests {
    @Test(arguments: [
        ("192.168.7.1", "192.168.7.1", false), ("boot.example.org", "boot.example.org", false), ("s", "s", false),
        ("boot-1_a", "boot-1_a", false), ("fd00::1", "[fd00::1]", true), ("[fd00::1]", "[fd00::1]", true),
        ("FD00:0:0:0:0:0:0:1", "[fd00::1]", true), ("2001:db8::a:1", "[2001:db8::a:1]", true), ("::1", "[::1]", true),
    ])
    func addresses(text: String, beforeColon: String, isIPv6: Bool) throws {
        let address = try ServerAddress(parsing: text)
        #expect(address.beforeColon == beforeColon)
        #expect(address.isIPv6 == isIPv6)
        #expect(try ServerAddress(parsing: address.description) == address)
    }

    @Test(arguments: [
        ("", "neither an address nor a host name"), ("fe80::1%eth0", "has a zone"), ("[fe80::1%2]", "has a zone"),
        ("fe80::1", "link-local"), ("febf::1", "link-local"), ("::", "not the address of one machine"),
        ("ff02::1", "not the address of one machine"), ("0.0.0.0", "not the address of one machine"),
        ("224.0.0.1", "not the address of one machine"), ("10.1.0.1:2049", "has a port"),
        ("[fd00::1]:80", "has a port"),
        ("10.1.0.0/24", "is a network"), ("fd00::/64", "is a network"), ("10.1.0", "not an IPv4 address"),
        ("10.1.0.256", "not an IPv4 address"), ("10.1.0.1.", "not an IPv4 address"),
        ("fd00:::1", "not an IPv6 address"),
        ("fd00::g", "not an IPv6 address"), ("[10.1.0.1]", "not an IPv6 address"), ("[fd00::1", "not an IPv6 address"),
        ("boot example", "neither"), ("-boot", "neither"), ("boot..org", "neither"), ("a,b", "neither"),
        ("a$(b)", "neither"), ("::ffff:10.1.0.1", "write 10.1.0.1"),
    ])
    func mistakes(text: String, words: String) throws {
        let error = try #require(throws: ServerAddressError.self) { try ServerAddress(parsing: text) }
        #expect(error.description.contains(words) && error.exitStatus == .usage, "\(error)")
    }

    /// `nfs_to_var`, parse-nbdroot.sh and livenet of dracut 059 and 106 take the address in brackets.
    @Test func rootsOverIPv6() throws {
        func line(_ root: any BootRoot, extra: [String] = []) throws(KernelCommandLineError) -> String {
            try KernelCommandLine(root: root, address: .ipv6, extra: extra).rendered()
        }
        try expectGolden("cmdline-nfs-ipv6", try line(NFSRoot(server: "fd00::1", path: "/srv/r", port: 2049)) + "\n")
        #expect(
            try line(NBDRoot(server: "[fd00::1]", export: "a-1")).contains(" root=nbd:[fd00::1]:a-1:squashfs:ro ro "))
        let image = HTTPRoot(url: "http://[fd00::1]:8080/netroot/a/1/root.squashfs", bytes: 1)
        #expect(try line(image).contains("root=live:http://[fd00::1]:8080/netroot/a/1/root.squashfs "))
        #expect(
            try line(image, extra: ["bond=bond0:eno1,eno2"]).hasPrefix("ip=bond0:either6 rd.neednet=1 rd.bootif=0 "))
        for root: any BootRoot in [
            NBDRoot(server: "fd00::1", export: "a-1", port: 4711), ISCSIRoot(server: "fd00::1", target: "iqn.x:a-1"),
        ] {
            let error = try #require(throws: KernelCommandLineError.self) { try line(root) }
            #expect(error.description.contains(" over IPv6 ") && error.description.contains("an IPv4 address"))
        }
    }
}
