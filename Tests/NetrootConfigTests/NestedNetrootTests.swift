import TestSupport
import Testing

@testable import NetrootConfig

@Suite struct NestedNetrootTests {
    private func read(_ text: String) throws(ConfigError) -> HostsFile {
        try HostsFile(text: text, path: "/etc/netroot/hosts.conf", transports: ["nfs"])
    }

    @Test("A NETROOT inside another label's is an error at its line, whichever comes first")
    func nestedNetroots() {
        for (first, second, line) in [("/srv/a", "/srv/a/b", 6), ("/srv/a/b/c", "/srv/a", 3), ("/", "/x", 6)] {
            let error = #expect(throws: ConfigError.self) {
                try read("[one]\nRECIPE=r\nNETROOT = \(first)\n[two]\nRECIPE=r\nNETROOT = \(second)\n")
            }
            #expect(error?.line == line)
            #expect(error?.problem.contains("is inside that of") == true)
        }
        #expect(throws: Never.self) {
            try read("[one]\nRECIPE=r\nNETROOT = /srv/a\n[two]\nRECIPE=r\nNETROOT = /srv/ab\n")
        }
    }

    @Test("A hosts file of fifty thousand labels is read in linear time")
    func manyLabels() throws {
        let start = ContinuousClock.now
        let text = (0..<50_000).map { "[l\($0)]\nRECIPE=r\n" }.joined()
        #expect(try read(text).labels.count == 50_000)
        #expect(ContinuousClock.now - start < .seconds(600))
    }
}
