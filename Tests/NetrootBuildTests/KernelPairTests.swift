import NetrootConfig
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
        #expect(found.choice.taken == newest && found.path == "boot/vmlinuz-" + newest)
    }

    @Test("Arch Linux and Fedora keep the image beside the modules: the chosen one's is taken")
    func imagesBesideTheirModules() throws {
        let scratch = try ScratchDirectory()
        let tree = RootTree(directory: scratch.path)
        try tree.write("var/lib/pacman/local/linux-1/desc", "")
        for version in ["6.12.1-arch1-1", "6.6.63-1-lts", "6.12.10-arch1-1"] {
            try tree.write("lib/modules/\(version)/vmlinuz", "")
        }
        // The names of Arch's packages, and not versions.
        try tree.write("boot/vmlinuz-linux", "")
        try tree.write("boot/vmlinuz-linux-lts", "")
        let shipped = ShippedFiles(directory: scratch.path)
        var pair = KernelPair(
            tree: tree, inRoot: RootCommand(root: scratch.path, shipped: shipped), runner: CommandRunner(),
            transports: [])
        #expect(try pair.kernel().path == "lib/modules/6.12.10-arch1-1/vmlinuz")
        pair.pattern = try KernelPattern(parsing: "*-lts")
        #expect(try pair.kernel().path == "lib/modules/6.6.63-1-lts/vmlinuz")
        #expect(try pair.kernel().choice.others == ["6.12.10-arch1-1", "6.12.1-arch1-1"])
    }
}
