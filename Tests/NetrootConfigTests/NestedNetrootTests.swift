import Glibc
import TestSupport
import Testing

@testable import NetrootConfig

@Suite struct NestedNetrootTests {
    private func read(_ text: String) throws(ConfigError) -> HostsFile {
        try HostsFile(text: text, path: "/etc/netroot/hosts.conf", transports: ["nfs"])
    }

    @Test("A NETROOT inside what netroot makes in another label's is an error at its line, whichever comes first")
    func nestedNetroots() {
        for (first, second, line) in [
            ("/srv/a", "/srv/a/generations", 6), ("/srv/a/generations/7/root", "/srv/a", 3),
            ("/", "/clients/x", 6), ("/srv/a/current", "/srv/a", 3),
        ] {
            let error = #expect(throws: ConfigError.self) {
                try read("[one]\nRECIPE=r\nNETROOT = \(first)\n[two]\nRECIPE=r\nNETROOT = \(second)\n")
            }
            #expect(error?.line == line)
            #expect(error?.problem.contains(" is inside the ") == true)
        }
    }

    @Test(
        "A NETROOT beside what netroot makes in another label's works: they never meet",
        arguments: [
            ("/srv/a", "/srv/ab"), ("/srv/roots", "/srv/roots/b"), ("/srv/a/b/c", "/srv/a"), ("/", "/x"),
            ("/srv/a", "/srv/a/b/generations"),
        ])
    func besideAnother(first: String, second: String) {
        #expect(throws: Never.self) {
            try read("[one]\nRECIPE=r\nNETROOT = \(first)\n[two]\nRECIPE=r\nNETROOT = \(second)\n")
        }
    }

    @Test("Ten times as many labels take about ten times as long to read")
    func manyLabels() throws {
        /// The CPU time of this thread alone: the machine may be busy.
        func seconds(_ count: Int) throws -> Double {
            let text = (0..<count).map { "[l\($0)]\nRECIPE=r\nNETROOT=/srv/roots/of/many/labels/\($0)\n" }.joined()
            var (start, end) = (timespec(), timespec())
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start)
            #expect(try read(text).labels.count == count)
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end)
            return Double(end.tv_sec - start.tv_sec) + Double(end.tv_nsec - start.tv_nsec) / 1e9
        }
        let few = try (0..<3).map { _ in try seconds(1_500) }.max() ?? 0
        #expect(try seconds(15_000) < 30 * few, "a hundred times as long where each is compared with each")
    }
}
