import NetrootSystem

/// A scratch directory with an empty root tree, and beside it a directory of which nobody in the root may see anything.
package struct ScratchRoot: Sendable {
    package let scratch: ScratchDirectory
    package var root: String { scratch.path + "/root" }
    package var outside: String { scratch.path + "/outside" }

    /// - Throws: `SystemError`.
    package init() throws {
        scratch = try ScratchDirectory()
        try Files.makeDirectory(root)
        try Files.makeDirectory(outside)
    }

    /// Makes a symlink in the root; the directory that it lies in is there.
    /// - Throws: `SystemError`.
    package func link(_ path: String, _ target: String) throws {
        try Files.replaceLink("\(root)/\(path)", target: target)
    }
}
