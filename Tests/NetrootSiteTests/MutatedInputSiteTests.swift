import NetrootConfig
import NetrootEntry
import NetrootStore
import NetrootSystem
import TestSupport
import Testing

@testable import NetrootSite

@Suite(.serialized) struct MutatedInputSiteTests {
    @Test("The reader of install.json takes or refuses what was changed in it")
    func installOptions() throws {
        let scratch = try ScratchDirectory()
        let hosts = "[a]\nRECIPE = a.def\n"
        let label = try HostsFile(text: hosts, path: scratch.path + "/hosts.conf", transports: Transports.shipped.names)
            .label("a")
        var options = InstallOptions()
        options.address = "192.0.2.1"
        options.clients = ["192.0.2.0/24"]
        options.ports = ["nfs": 2049]
        options.servers = ["nfs": "kernel"]
        let text = Array(try JSON.text(options).utf8)
        let tokens = [
            "null", "[]", "\"", "::1", "[::1]", "-1", "65536", "\"*\"", String(repeating: "{\"a\":", count: 1000),
        ]
        let path = InstallOptions.path(label)
        try Files.makeDirectory(Files.parent(path))
        try MutatedInput("install.json", seeds: [text], tokens: tokens).run { bytes in
            try overwrite(path, bytes)
            guard let read = try InstallOptions.last(label) else { return false }
            _ = (try read.server(), read.port(of: NFS()), try read.server(of: NFS()), try read.httpBase())
            return true
        }
        let site = try NginxConfig.site(
            root: "/srv/tftp", address: try ServerAddress(parsing: "192.0.2.1"), port: 80, before: "")
        try MutatedInput("nginx's site", seeds: [Array(site.utf8)], tokens: ["server_name ", ";", "[::1]", "\n"]).run {
            bytes in
            NginxConfig.address(ofSite: String(decoding: bytes, as: UTF8.self)) != nil
        }
    }
}
