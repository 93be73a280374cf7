import NetrootSystem
import Testing

@testable import NetrootEntry

private let root = NFSRoot(server: "10.1.0.1", path: "/srv/r", port: 2049)
private let fixed = ClientAddress.fixed(
    address: "10.0.2.15", gateway: "10.0.2.2", netmask: "255.255.255.0", hostname: "a", interface: "eth0")
private let nfs =
    "root=nfs:10.1.0.1:/srv/r:vers=3,proto=tcp,mountproto=tcp,port=2049,mountport=2049,nolock,nocto,actimeo=86400"
private let rest = "ro rootovl rootovlsize=50% console=tty0 console=ttyS0,115200n8"

private func line(
    _ extra: String, root: any BootRoot = root, address: ClientAddress = .dhcp, nameserver: String? = nil,
    rw: Bool = false
) throws(KernelCommandLineError) -> String {
    try KernelCommandLine(
        root: root, address: address, nameserver: nameserver, rw: rw,
        extra: extra.split(separator: " ").map(String.init)
    ).rendered()
}

/// What a label gives takes the place of netroot's own arguments.
@Suite struct LabelArgumentsTests {
    /// Arguments of a label, and the command line from its beginning to the root.
    static let networks: [(extra: String, own: String)] = [
        ("quiet", "ip=dhcp rd.neednet=1"),
        ("ip=dhcp", "rd.neednet=1"),
        ("ip=eth1:dhcp", "rd.neednet=1 rd.bootif=0"),
        ("ip=10.1.0.9::10.1.0.1:255.255.255.0:n1::none", "rd.neednet=1"),
        ("ip=10.1.0.9::10.1.0.1:255.255.255.0:n1:eno1:none nameserver=10.1.0.1", "rd.neednet=1 rd.bootif=0"),
        ("ip=[fd00::9]::[fd00::1]:64:n1:eno1:none", "rd.neednet=1 rd.bootif=0"),
        ("ip=eno1:dhcp ip=eno2:auto6 rd.neednet=0", "rd.bootif=0"),
        ("ip=ibft ip=dhcp", "rd.neednet=1"),
        ("vlan=eno1.5:eno1", "ip=eno1.5:dhcp rd.neednet=1 rd.bootif=0"),
        ("vlan=vlan0005:eno1", "ip=vlan0005:dhcp rd.neednet=1 rd.bootif=0"),
        ("bond=bond0:eno1,eno2:mode=802.3ad,miimon=100:9000", "ip=bond0:dhcp rd.neednet=1 rd.bootif=0"),
        ("bond", "ip=bond0:dhcp rd.neednet=1 rd.bootif=0"),
        ("bond=uplink", "ip=uplink:dhcp rd.neednet=1 rd.bootif=0"),
        ("team=team0:eno1,eno2:lacp", "ip=team0:dhcp rd.neednet=1 rd.bootif=0"),
        ("bridge", "ip=br0:dhcp rd.neednet=1 rd.bootif=0"),
        ("vlan=bond0.7:bond0 bond=bond0:eno1,eno2", "ip=bond0.7:dhcp rd.neednet=1 rd.bootif=0"),
        ("bridge=br1:bond0.7 bond=bond0:eno1,eno2 vlan=bond0.7:bond0", "ip=br1:dhcp rd.neednet=1 rd.bootif=0"),
        ("vlan=eno1.5:eno1 vlan=eno1.6:eno1 bootdev=eno1.6", "ip=eno1.6:dhcp rd.neednet=1 rd.bootif=0"),
        ("vlan=eno1.5:eno1 vlan=eno1.6:eno1 ip=eno1.6:dhcp", "rd.neednet=1 rd.bootif=0"),
        ("bootdev=eno1 bootdev=eno2", "ip=eno2:dhcp rd.neednet=1 rd.bootif=0"),
        ("bootdev=52:54:00:12:34:56", "ip=dhcp rd.neednet=1 rd.bootif=0"),
        ("vlan=eno1.5:eno1 rd.bootif=1", "ip=eno1.5:dhcp rd.neednet=1"),
        ("bootdev=eno1 BOOTIF=01-52-54-00-12-34-56", "ip=eno1:dhcp rd.neednet=1"),
    ]

    @Test(arguments: networks.indices)
    func theNetwork(index: Int) throws {
        let (extra, own) = Self.networks[index]
        #expect(try line(extra) == "\(own) \(nfs) \(rest) \(extra)")
    }

    /// What else of ours the label's arguments replace: arguments, and what of ours is not there any more.
    static let replaced: [(extra: String, gone: [String])] = [
        ("root=nfs:10.9.0.1:/other", [nfs]),
        ("netroot=nbd:10.9.0.1:other root=/dev/nbd0", [nfs]),
        ("rw", ["ro"]), ("ro", ["ro"]),
        ("rootovl=0", ["rootovl"]), ("rootovlsize=1g", ["rootovlsize=50%"]),
        ("console=ttyS0,9600", ["console=ttyS0,115200n8"]), ("console=tty0", ["console=tty0"]),
        ("console=ttyAMA0", []), ("rd.neednet=0", ["rd.neednet=1"]), ("rootovlcfg=a", []), ("roo=t rdx", []),
    ]

    @Test(arguments: replaced.indices)
    func theRest(index: Int) throws {
        let (extra, gone) = Self.replaced[index]
        let own = try line("").split(separator: " ").map(String.init).filter { !gone.contains($0) }
        #expect(try line(extra) == (own + [extra]).joined(separator: " "))
    }

    @Test func aRootOfTheLabelTakesTheCompanionsAlong() throws {
        let image = HTTPRoot(url: "http://h/i", bytes: 5)
        #expect(try !line("root=live:http://o/i", root: image).contains("rd.netroot.image"))
        #expect(try line("rd.netroot.image=7", root: image).contains("root=live:http://h/i ro "))
        let disk = ISCSIRoot(server: "10.1.0.1", target: "iqn.x:a-1")
        for extra in ["root=/dev/sda", "netroot=iscsi:10.9.0.1::::iqn.y"] {
            let text = try line(extra, root: disk, address: fixed)
            #expect(!text.contains("10.1.0.1") && !text.contains("rootfstype"))
        }
        #expect(try line("rootfstype=ext4", root: disk).contains("-lun-1 ro "))
        let blocks = NBDRoot(server: "10.1.0.1", export: "a-1", port: 4711)
        #expect(try !line("root=nbd:10.9.0.1:b", root: blocks).contains("nbdport"))
    }

    @Test func inAVirtualMachine() throws {
        #expect(
            try line("ip=dhcp", address: fixed, nameserver: "10.0.2.3").hasPrefix("rd.neednet=1 nameserver=10.0.2.3 "))
        #expect(
            try line("nameserver=1.1.1.1", address: fixed, nameserver: "10.0.2.3").contains(
                "eth0:none net.ifnames=0 \(nfs)"))
        #expect(try line("net.ifnames=1", address: fixed).contains("eth0:none \(nfs)"))
        let text = try line("rw", address: fixed, rw: true)
        #expect(text.hasSuffix(" rw") && !text.contains(" rw console"))
    }

    /// What dracut would stop at while it boots, or would wait for without end.
    static let wrong: [(extra: String, words: [String])] = [
        ("ip=dhcp ip=eno1:dhcp", ["'ip=dhcp' names no device", "several ip=", "ip=DEVICE:dhcp"]),
        ("ip=eno1:dhcp ip=10.1.0.9::10.1.0.1:255.255.255.0::eno1:none", ["is the second ip= for eno1", "keep one"]),
        ("ip=:::::eno1:none", ["has no address", "ip=ADDRESS::GATEWAY:NETMASK:NAME:DEVICE:none"]),
        ("ip=10.1.0.9::10.1.0.1::n1:eno1:none", ["has no netmask"]),
        ("ip=10.1.0.9::10.1.0.1:255.255.255.0:n1:eno1:dhcp", ["has an address", "by dhcp too", "none"]),
        ("ip=10.1.0.9::10.1.0.1:255.255.255.0:n1:eno1", ["has an address", "by dhcp too"]),
        ("ip=eno2:none", ["has 'eno2' where the address stands"]),
        ("vlan=eno1.5", ["'vlan=eno1.5' is not vlan=NAME:DEVICE"]), ("vlan", ["'vlan' is not vlan=NAME:DEVICE"]),
        ("vlan=storage:eno1", ["names no VLAN number", "vlan=eno1.NUMBER:eno1"]),
        ("vlan=vlan5000:eno1", ["names no VLAN number from 1 to 4094"]), ("vlan=eno1.0:eno1", ["names no VLAN number"]),
        ("bond=:eno1", ["is not bond=NAME:DEVICE,DEVICE"]), ("bond=b:e:o:m:x", ["is not bond="]),
        ("bridge=br0", ["is not bridge="]), ("team", ["'team' is not team="]), ("team=", ["is not team="]),
        ("vlan=eno1.5:eno1 vlan=eno1.6:eno1", ["eno1.5 and eno1.6 on top", "ip=eno1.5:dhcp"]),
        ("bond=bond0:br0 bridge=br0:bond0", ["no device is on top", "ip=bond0:dhcp"]),
    ]

    @Test(arguments: wrong.indices)
    func mistakes(index: Int) throws {
        let (extra, words) = Self.wrong[index]
        let error = try #require(throws: KernelCommandLineError.self) { try line(extra) }
        #expect(error.exitStatus == .usage)
        #expect(error.description.hasPrefix("EXTRA_CMDLINE: '"))
        for word in words { #expect(error.description.contains(word), "\(error)") }
    }

    /// Arguments, and those that are left out in QEMU's user network: the boot check expects netroot's address, host name
    /// and name server.
    static let userNetworks: [(extra: String, left: String)] = [
        ("quiet console=tty0 net.ifnames=0 panic=30", ""), ("ip=dhcp", "ip=dhcp"), ("ip", "ip"),
        ("a ip=10.0.2.20::10.0.2.2:255.255.255.0:n1::none", "ip=10.0.2.20::10.0.2.2:255.255.255.0:n1::none"),
        ("ip=eno1:dhcp ip=eno2:dhcp6 nameserver=10.1.0.1", "ip=eno1:dhcp ip=eno2:dhcp6 nameserver=10.1.0.1"),
        ("a vlan=e.5:e b", "vlan=e.5:e"), ("bond team=t:e bridge", "bond team=t:e bridge"),
        (
            "bootdev=e ifname=e:52:54:00:12:34:56 rd.route=10.5.0.0/16:10.1.0.1",
            "bootdev=e ifname=e:52:54:00:12:34:56 rd.route=10.5.0.0/16:10.1.0.1"
        ),
    ]

    @Test(arguments: userNetworks.indices)
    func theUserNetworkOfQEMU(index: Int) {
        let (extra, left) = Self.userNetworks[index]
        let words = extra.split(separator: " ").map(String.init)
        let found = LabelArguments(words).forUserNetwork()
        #expect(found.left == left.split(separator: " ").map(String.init))
        #expect(found.kept == words.filter { !found.left.contains($0) })
    }

    /// A loader names the card that it booted from only where no other device is meant.
    @Test(arguments: [("ip=dhcp", true), ("rd.bootif=0", false), ("BOOTIF=01-52-54-00-12-34-56", false)])
    func loadersAndTheBootCard(argument: String, adds: Bool) throws {
        let entry = BootEntry(name: "a", kernel: "k", initrds: ["i"], arguments: [argument, "ro"])
        let grub = String(decoding: try GRUBConfig().replacing(entry).bytes, as: UTF8.self)
        let pxelinux = String(decoding: try PXELinuxConfig().replacing(entry).bytes, as: UTF8.self)
        #expect(grub.contains(" BOOTIF=01:$net_default_mac\n") == adds)
        #expect(pxelinux.contains("    SYSAPPEND \(adds ? 2 : 0)\n"))
        #expect(try IPXEScript.script(entry, base: "http://h").contains(" BOOTIF=01-${netX/mac:hexhyp}\n") == adds)
    }
}
