import NetrootEntry
import NetrootSystem
import TestSupport
import Testing

@testable import NetrootSite

@Suite struct ServerConfigTests {
    @Test func nbd() throws {
        let exports: [NBDServerConfig.Export] = [
            .init(name: "debian12-7", image: "/srv/n/7/root.squashfs"),
            .init(name: "debian12-8", image: "/srv/n/8/root.squashfs"),
        ]
        try expectGolden("nbd-own", try NBDServerConfig(listen: ("127.0.0.1", 4711), exports: exports).rendered())
        try expectGolden("nbd-part", try NBDServerConfig(listen: nil, exports: exports, authFile: "/srv/c").rendered())
        #expect(throws: SharedConfigError.self) {
            try NBDServerConfig(listen: nil, exports: [.init(name: "a", image: "/a\n[b]")]).rendered()
        }
    }

    @Test func tgt() throws {
        let images = [(ISCSI.targetName("debian12", 7), "/srv/n/7/root.squashfs")]
        try expectGolden("tgt-part", try TargetConfig.rendered(images: images, clients: ["10.0.0.0/24"]))
        #expect(try !TargetConfig.rendered(images: images, clients: ["*"]).contains("initiator-address"))
        #expect(throws: SharedConfigError.self) { try TargetConfig.rendered(images: images, clients: ["host"]) }
        for path in ["n/x", "/a b", "/a>", "/a#b"] {
            #expect(throws: SharedConfigError.self) {
                try TargetConfig.rendered(images: [("iqn.x", path)], clients: ["*"])
            }
        }
    }

    @Test func nginx() throws {
        try expectGolden(
            "nginx-site",
            try NginxConfig.site(root: "/srv/a \"b\"", address: ServerAddress(parsing: "10.1.0.1"), port: 8080))
        try expectGolden("nginx-own", try NginxConfig.own(root: "/run/x/boot", port: 4711, directory: "/run/x"))
        try expectGolden(
            "nginx-label-archive",
            try NginxConfig.label("a.b", clients: ["10.1.0.0/24"], image: nil, hasArchive: true)
                + NginxConfig.label("c", clients: [], image: nil, hasArchive: true))
        try expectGolden(
            "nginx-label",
            try NginxConfig.label(
                "debian12", clients: ["10.0.0.0/24", "fd00::/8"],
                image: ("netroot/debian12/7/root.squashfs", "/srv/n/7/root.squashfs")))
        #expect(try NginxConfig.label("a", clients: ["*"], image: nil).contains("allow all;"))
        for client in ["host.example.org", "@group", "10.0.0.1; }", "10.0.0.0/33", "10.0.0", ""] {
            #expect(throws: SharedConfigError.self) { try NginxConfig.label("a", clients: [client], image: nil) }
        }
        let name = try ServerAddress(parsing: "h")
        #expect(throws: SharedConfigError.self) { try NginxConfig.site(root: "/srv/$x", address: name, port: 1) }
        let six = try NginxConfig.site(root: "/srv/x", address: ServerAddress(parsing: "fd00::1"), port: 8080)
        #expect(six.contains("    listen 8080;\n    listen [::]:8080;\n    server_name [fd00::1];\n"))
    }
}

@Suite struct ExportsFileTests {
    @Test func golden() throws {
        let everybody = ExportsFile(
            label: "debian12",
            directories: ["/srv/n/debian12/generations/6/root", "/srv/n/debian12/generations/7/root"])
        #expect(everybody.fileName == "netroot-debian12.exports")
        try expectGolden("exports-ro", try everybody.rendered())
        let named = ExportsFile(
            label: "lab", directories: ["/srv/my \"roots\"/#1\\101é/root"],
            clients: ["10.0.0.0/24", "@lab", "*.example.org"],
            rw: true, unprivilegedPorts: true)
        try expectGolden("exports-rw", try named.rendered())
        try expectGolden("exports-none", try ExportsFile(label: "a", directories: []).rendered())
    }

    @Test(arguments: ["", "a b", "*(rw)", "a,b", "-rw", "a\nb", "#"])
    func badClients(client: String) {
        #expect(throws: ExportsFileError.badClient(client)) {
            try ExportsFile(label: "a", directories: ["/r"], clients: [client]).rendered()
        }
    }

    @Test func relativePath() {
        #expect(throws: ExportsFileError.relativePath("r")) {
            try ExportsFile(label: "a", directories: ["r"]).rendered()
        }
        #expect(throws: ExportsFileError.self) {
            try ExportsFile(label: "a", directories: ["/r"], clients: []).rendered()
        }
    }
}
