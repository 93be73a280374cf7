import NetrootSystem
import NetrootTree
import TestSupport
import Testing

@testable import NetrootBuild

@Suite struct KernelPairTests {
    /// To rpm, the second has a release and the first has none.
    @Test(arguments: [
        ("var/lib/dpkg/status", "ID=debian\n", "6.1"), ("var/lib/pacman/local/linux-1/desc", "ID=arch\n", "6.1"),
        ("var/lib/rpm/rpmdb.sqlite", "ID=fedora\n", "6.1-rc1"),
        ("usr/lib/sysimage/rpm/Packages.db", "ID_LIKE=\"suse\"\n", "6.1-rc1"), ("etc/motd", "", "6.1"),
    ])
    func theRootsFamilySaysWhichIsNewest(_ database: String, _ release: String, _ newest: String) throws {
        let scratch = try ScratchDirectory()
        let tree = RootTree(directory: scratch.path)
        try tree.write(database, "")
        try tree.write("usr/lib/os-release", release)
        for version in ["6.1", "6.1-rc1", "5.99"] {
            try tree.write("lib/modules/\(version)/modules.dep", "")
            try tree.write("boot/vmlinuz-\(version)", "")
        }
        // Its modules are missing.
        try tree.write("boot/vmlinuz-9.9", "")
        let shipped = ShippedFiles(directory: scratch.path)
        let pair = KernelPair(
            tree: tree, inRoot: RootCommand(root: scratch.path, shipped: shipped), runner: CommandRunner(),
            transports: [])
        let found = try pair.kernel()
        #expect(found.version == newest && found.path == "boot/vmlinuz-" + newest)
    }
}
