import NetrootSystem
import NetrootTree
import TestSupport
import Testing

@testable import NetrootBuild

@Suite struct PackageCachesTests {
    let sample: ScratchRoot
    let tree: RootTree

    init() throws {
        sample = try ScratchRoot()
        tree = RootTree(directory: sample.root)
    }

    @Test("What matches is removed with its size, what ! names stays, and nothing else is touched")
    func patterns() throws {
        for path in ["cache/a.bin", "cache/b.deb", "cache/sub/deep/c", "cache/partial/d", "log/other"] {
            try tree.write(path, "12345")
        }
        let caches = PackageCaches(
            tree: tree, patterns: ["cache/*", "!cache/partial", "cache/partial/*", "log/dpkg.log"])
        #expect(try caches.remove() == 20)
        #expect(try tree.names(in: "cache") == ["partial"])
        #expect(try tree.names(in: "cache/partial") == [])
        #expect(try tree.text("log/other") == "12345")
        #expect(try caches.remove() == 0)
    }

    @Test("A cache that is a symlink out of the root leads nowhere, and one inside of it is followed")
    func symlinks() throws {
        try sample.scratch.write("outside/pkgcache.bin", "theirs")
        try tree.makeDirectory("var/cache")
        try tree.write("srv/apt/pkgcache.bin", "ours")
        try sample.link("var/cache/apt", sample.outside)
        let caches = PackageCaches(tree: tree, patterns: ["var/cache/apt/*.bin"])
        #expect(try caches.remove() == 0)
        #expect(try Files.text(sample.outside + "/pkgcache.bin") == "theirs")
        try sample.link("var/cache/apt", "/srv/apt")
        #expect(try caches.remove() == 4)
        #expect(try tree.names(in: "srv/apt") == [])
    }

    @Test("The shipped list keeps the directories and databases that packages need")
    func shippedList() throws {
        let patterns = try ShippedFiles(directory: Checkout.path).lines(of: "package-caches")
        let stay = [
            "var/lib/apt/extended_states", "var/lib/apt/lists/partial",
            "var/cache/apt/archives/partial", "var/lib/dpkg/status", "var/lib/dpkg/info/a.list", "var/log/syslog",
            "var/cache/debconf/config.dat", "var/lib/dnf/history.sqlite", "var/lib/rpm/rpmdb.sqlite",
            "var/lib/pacman/local/a-1-1/desc", "var/cache/man/index.db",
        ]
        let go = [
            "var/cache/apt/srcpkgcache.bin", "var/cache/apt/archives/a.deb", "var/lib/apt/lists/x_InRelease",
            "var/lib/apt/lists/auxfiles",
            "var/cache/debconf/config.dat-old", "var/lib/dpkg/status-old", "var/log/apt/history.log.1.gz",
            "var/log/dpkg.log", "var/log/dnf.librepo.log", "var/cache/libdnf5/x/solv", "var/cache/zypp/raw/x",
            "var/log/zypp/history", "var/cache/pacman/pkg/a.pkg.tar.zst", "var/lib/pacman/sync/core.db",
        ]
        for path in stay + go {
            try tree.write(path.contains(".") || path.contains("status") ? path : path + "/x", "x")
        }
        _ = try PackageCaches(tree: tree, patterns: patterns).remove()
        for path in stay { #expect(try tree.contains(path), "\(path)") }
        for path in go { #expect(try !tree.contains(path), "\(path)") }
    }
}
