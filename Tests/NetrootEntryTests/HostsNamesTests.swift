import Foundation
import NetrootConfig
import TestSupport
import Testing

@testable import NetrootEntry

@Suite struct HostsNamesTests {
    private func read(_ text: String) throws(ConfigError) -> HostsFile {
        try HostsFile(bytes: Array(text.utf8), path: "/srv/hosts.conf", transports: .shipped)
    }

    private func error(_ text: String) -> String? {
        do throws(ConfigError) {
            _ = try read(text)
            return nil
        } catch { return error.description }
    }

    @Test(
        "A label with the name of iPXE's index or shell is an error with its line",
        arguments: ["index", "shell"])
    func reserved(name: String) {
        #expect(
            error("[a]\nRECIPE = r\n[\(name)]\nRECIPE = r\n")
                == "/srv/hosts.conf:3: the label '\(name)' has the name of \(name) in iPXE's menu; rename it"
        )
        for other in ["\(name)1", name.uppercased(), name.capitalized] {
            #expect(error("[\(other)]\nRECIPE = r\n") == nil)
        }
    }

    @Test("Labels that are one iSCSI target are an error with both lines, where both ask for iscsi")
    func targets() {
        for (one, other) in [("gpu_a", "gpu-a"), ("gpu-a", "GPU-A"), ("GPU_A", "gpu-a")] {
            func hosts(_ first: String, _ second: String) -> String {
                "[DEFAULT]\nRECIPE = r\n[\(one)]\nTRANSPORTS = \(first)\n[b]\n[\(other)]\nTRANSPORTS = \(second)\n"
            }
            #expect(
                error(hosts("nfs iscsi", "iscsi"))
                    == "/srv/hosts.conf:6: the labels '\(one)' in line 3 and '\(other)' have the same name by iscsi, "
                    + "iqn.2026-11.invalid.netroot:gpu-a-1; rename one of them, or leave iscsi out of its TRANSPORTS")
            #expect(error(hosts("nfs nbd", "iscsi nbd")) == nil)
        }
    }

    /// A path that some transport cannot carry, and the transports that can.
    static let paths: [(String, [TransportName])] = [
        ("/srv/with blank", ["nbd", "http"]), ("/srv/größe", Transports.shipped.names),
        ("/srv/a,b", ["nbd", "http", "iscsi"]), ("/srv/a:b", ["nbd", "http", "iscsi"]),
        ("/srv/a'b", ["nbd", "http", "iscsi"]), ("/srv/a\"b", ["nbd", "http"]), ("/srv/a\\b", ["http"]),
        ("/srv/a#b", ["nfs", "nbd", "http"]), ("/srv/a$b", ["nfs", "nbd", "iscsi"]), ("/srv/a\u{1}b", []),
        ("/srv/" + String(repeating: "n", count: 960), ["nbd", "http", "iscsi"]),
        ("/srv/plain-1.2_3", Transports.shipped.names),
    ]

    @Test(
        "A NETROOT that a transport cannot carry is an error at its line, for the labels that ask for it",
        arguments: paths)
    func netroots(path: String, fitting: [TransportName]) {
        for transport in Transports.shipped.known {
            let text = "[DEFAULT]\nRECIPE = r\n[ok]\n[a]\nTRANSPORTS = \(transport.name)\nNETROOT = \(path)\n"
            // A root in RAM goes by no path.
            guard !fitting.contains(transport.name), transport.name != .ram else {
                #expect(error(text) == nil)
                continue
            }
            let said = error(text)
            #expect(said?.hasPrefix("/srv/hosts.conf:6: NETROOT: \(path) of label 'a' has ") == true, "\(said ?? "")")
            #expect(said?.hasSuffix("take another directory, or leave \(transport.name) out of TRANSPORTS") == true)
        }
    }

    @Test("The default's NETROOT is told at its line, and a hosts file's own directory at the label's")
    func lines() {
        #expect(
            error("[a]\nRECIPE = r\n[DEFAULT]\nNETROOT = /srv/a b/${label}\n")
                == "/srv/hosts.conf:4: NETROOT: /srv/a b/a of label 'a' has a blank, which the kernel command line cannot "
                + "hold in an NFS root; take another directory, or leave nfs out of TRANSPORTS")
        let own = #expect(throws: ConfigError.self) {
            try HostsFile(bytes: Array("\n[a]\nRECIPE = r\n".utf8), path: "/my roots/hosts.conf", transports: .shipped)
        }
        #expect(own?.line == 2)
    }

    @Test("Where a label says itself where its root is, what NFS cannot have on the command line is no error")
    func ownRoot() {
        let text = "[a]\nRECIPE = r\nNETROOT = /srv/my roots\nTRANSPORTS = "
        for argument in ["root=nfs:192.168.7.1:/srv/x", "netroot=nfs:192.168.7.1:/srv/x"] {
            #expect(error(text + "nfs\nEXTRA_CMDLINE = quiet \(argument)\n") == nil)
        }
        #expect(error(text + "nfs\nEXTRA_CMDLINE = quiet\n")?.contains("has a blank") == true)
        // The target has the path all the same.
        #expect(error(text + "iscsi\nEXTRA_CMDLINE = root=nfs:192.168.7.1:/srv/x\n")?.contains("has a blank") == true)
    }

    @Test("A kernel command line that is too long by any address is an error at the hosts file")
    func longCommandLine() {
        let words = String(repeating: "x=0123456789 ", count: 150)
        let said = error("[a]\nRECIPE = r\nEXTRA_CMDLINE = \(words)\n")
        #expect(said?.hasPrefix("/srv/hosts.conf:1: the kernel command line of label 'a' has ") == true)
        #expect(said?.hasSuffix(" bytes by nfs, 2047 is the most; shorten NETROOT or EXTRA_CMDLINE") == true)
        #expect(error("[a]\nRECIPE = r\nEXTRA_CMDLINE = \(words.prefix(1500))\n") == nil)
    }

    @Test("A TFTPBOOT that nginx cannot have is an error at its line")
    func tftpboot() {
        #expect(
            error("[a]\nRECIPE = r\nTFTPBOOT = /srv/$x\n")
                == "/srv/hosts.conf:3: TFTPBOOT: /srv/$x has '$', which nginx cannot have in a path; take another directory"
        )
    }
}
