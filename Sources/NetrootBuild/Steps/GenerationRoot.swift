import NetrootConfig
import NetrootImage
import NetrootStore
import NetrootSystem
import NetrootTree

extension RootFill {
    /// Fills a root with that of a generation: from its tree where it has one, else its image, else the image in its archive.
    /// An archive's root has no kernel, since that lies beside it: it is put back.
    /// - Throws: `StoreError`, `SquashfsReadError`, `RescueRootError`, `RootFillError`, `SystemError`, `CancellationError`.
    func takeRoot(of generation: Generation) async throws -> Report {
        if let tree = generation.path(of: .tree) { return try RootSource.directory(tree).fill(self) }
        if let image = generation.path(of: .squashfs) { return try RootSource.image(SquashfsReader(image)).fill(self) }
        let archive = try await SquashfsReader(rescueArchive: try generation.requirePath(of: .rescue))
        let report = try RootSource.image(archive).fill(self)
        let kernel = "boot/vmlinuz-\(generation.manifest.kernelVersion)"
        let tree = RootTree(directory: directory)
        if try !tree.contains(kernel) { try tree.write(kernel, try Files.read(generation.vmlinuz)) }
        return report
    }
}
