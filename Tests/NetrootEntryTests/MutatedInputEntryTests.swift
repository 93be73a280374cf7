import NetrootConfig
import NetrootSystem
import TestSupport
import Testing

@testable import NetrootEntry

@Suite(.serialized) struct MutatedInputEntryTests {
    @Test("A hosts file whose names and paths were changed is taken or refused")
    func hostsFiles() throws {
        let seeds = [
            "[DEFAULT]\nRECIPE = r\nTRANSPORTS = nfs nbd http iscsi\n[gpu_a]\nNETROOT = /srv/a\n[gpu-b]\nNETROOT = /srv/b\n"
        ]
        let tokens = ["gpu-a", "GPU_A", "index", "shell", "/srv/a b", ",", ":", "$", "é", "\\", "/srv/a/b", "\n[c]\n"]
        try MutatedInput("names in a hosts file", seeds: seeds.map { Array($0.utf8) }, tokens: tokens).run { bytes in
            let hosts = try HostsFile(bytes: bytes, path: "/srv/hosts.conf", transports: .shipped)
            // What is taken here must not fail when it is rendered.
            for label in hosts.labels {
                let root = NFS().root(
                    of: RootOffer(
                        label: label.name, generation: 1, path: label.netroot + "/generations/1/root", imageBytes: 1,
                        address: "192.0.2.1", server: NFS.own, port: 2049, imageURL: ""))
                guard label.transports.contains("nfs") else { continue }
                _ = try root.arguments(for: RootClient(address: .dhcp, rw: false))
            }
            return true
        }
    }

    @Test("The readers of boot menus take or refuse what was changed in one")
    func menus() throws {
        let entry = BootEntry(
            name: "node", title: "node, generation 1", kernel: "netroot/node/1/vmlinuz",
            initrds: ["netroot/node/1/initrd.img"], arguments: ["root=nfs:1.1.1.1:/srv", "quiet"])
        let pxelinux = try PXELinuxConfig().replacing(entry)
        let grub = try GRUBConfig().replacing(entry)
        let tokens = [
            "# netroot begin node\n", "# netroot end node\n", "# netroot begin ", "LABEL node\n", "DEFAULT ",
            "menuentry ",
            "set default=", "\n", "KERNEL ", "INITRD a,b\n",
        ]
        try MutatedInput("pxelinux.cfg", seeds: [pxelinux.bytes], tokens: tokens).run { bytes in
            let config = try PXELinuxConfig(bytes: bytes)
            for name in config.names { _ = (config.kernelPath(of: name), config.initrdPaths(of: name)) }
            _ = config.defaultName
            return try !config.replacing(entry).removing("node").names.contains("node")
        }
        try MutatedInput("grub.cfg", seeds: [grub.bytes], tokens: tokens).run { bytes in
            let config = try GRUBConfig(bytes: bytes)
            _ = config.defaultName
            return try config.replacing(entry).names.contains("node")
        }
        let script = try IPXEScript.script(entry, base: "http://1.1.1.1:8080")
        let index = IPXEScript.index([("node", "node")], chosen: "node")
        try MutatedInput("iPXE scripts", seeds: [script, index].map { Array($0.utf8) }, tokens: tokens).run { bytes in
            let text = String(decoding: bytes, as: UTF8.self)
            return IPXEScript.title(of: text) != nil || IPXEScript.chosen(of: text) != nil
                || IPXEScript.isOwn(index: text)
        }
    }
}
