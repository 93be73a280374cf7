import NetrootConfig
import NetrootImage
import NetrootSystem
import NetrootTree

/// `/init` of a rescue archive with all that it needs: the first archive of the file, which is there also where there is too
/// little RAM for the rest.
struct RescueInit: Sendable {
    /// What is the same whatever the settings say.
    private let entries: [NewcEntry]

    /// - Parameter kernel: the version of the root's kernel.
    /// - Throws: `MissingError`, `BuildError.kernelLacks`, `InitramfsError`, `RootPathError`, `SystemError`,
    ///   `CancellationError`.
    init(
        of root: String, kernel: String, layout: Label.InitramfsLayout, shipped: ShippedFiles
    ) throws {
        let tree = RootTree(directory: root)
        var entries = [
            NewcEntry("init", .bytes(try Files.read(shipped.ramRoot + "/init")), mode: 0o755),
            NewcEntry("netroot/busybox", .bytes(try StaticBusybox.read(from: tree, shipped)), mode: 0o755),
            NewcEntry("netroot/bin", .directory),
        ]
        for name in ["busybox.sh", "ram-root.sh"] { entries.append(try Self.library("\(shipped.ramRoot)/\(name)")) }
        for name in ["rootovl-lib.sh", "rootovl-root.sh", "rootovl-steps.sh"] {
            entries.append(try Self.library("\(shipped.dracutModules)/95netroot-rootovl/\(name)"))
        }
        switch layout {
        case .squashfs:
            entries += try Self.modules(kernel, of: tree)
            entries.append(NewcEntry("netroot/root", .directory))
            entries += try RootSkeleton(of: root).entries
        case .cpio: break
        }
        // Whatever the root has: filesystems are mounted there.
        for name in ["dev", "proc", "run", "sys"] where !entries.contains(where: { $0.path == Array(name.utf8) }) {
            entries.append(NewcEntry(name, .directory, uid: RootSkeleton.owner, gid: RootSkeleton.owner))
        }
        self.entries = entries
    }

    /// The archive.
    /// - Throws: `NewcError`.
    func archive(_ settings: RescueSettings) throws -> NewcArchive {
        try NewcArchive(entries: entries + [NewcEntry("netroot/settings", .bytes(Array(settings.text.utf8)))])
    }

    /// The end of the file.
    /// - Throws: `NewcError`.
    static func end(_ settings: RescueSettings) throws -> NewcArchive {
        try NewcArchive(entries: [NewcEntry("netroot/whole", .bytes(Array("\(settings.archive)\n".utf8)))])
    }

    private static func library(_ path: String) throws -> NewcEntry {
        NewcEntry("netroot/lib/\(Files.name(path))", .bytes(try Files.read(path)))
    }

    /// What mounts the root, in the order in which it is inserted, unpacked: busybox reads some compressions only.
    private static func modules(_ kernel: String, of tree: RootTree) throws -> [NewcEntry] {
        let folder = "lib/modules/\(kernel)"
        func text(_ name: String) throws -> String {
            try tree.contains("\(folder)/\(name)") ? tree.text("\(folder)/\(name)") : ""
        }
        let order = try ModuleOrder(dependencies: text("modules.dep"), builtin: text("modules.builtin"))
            .order(of: ["loop", "squashfs", "overlay"])
        var entries: [NewcEntry] = []
        var names: [String] = []
        for path in order {
            let name = Files.name(path)
            names.append("/netroot/modules/\(name)\n")
            let bytes = try Compression.decompressed(try tree.read("\(folder)/\(path)"), of: path, limit: 64 << 20)
            entries.append(NewcEntry("netroot/modules/\(name)", .bytes(bytes)))
        }
        return entries + [NewcEntry("netroot/modules/order", .bytes(Array(names.joined().utf8)))]
    }
}
