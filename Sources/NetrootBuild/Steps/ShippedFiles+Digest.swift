import NetrootSystem

extension ShippedFiles {
    /// One digest over the names and contents of what netroot lays into roots: of the sorted lines of sha256sum(1) for
    /// all files, and of such a line for each symlink, with the digest of its target.
    /// - Throws: `MissingError` where the program for roots is not built; `DigestError`, `SystemError`, `CancellationError`.
    func digest() throws -> Digest {
        try requireLeaseProgram()
        var lines = ["\(try Digest.of(file: leaseProgram).hexadecimal)  netroot-lease"]
        for folder in ["dracut-modules", "root-files", "ram-root"] { try append(folder, to: &lines) }
        return try Digest.of(Array(lines.sorted().joined(separator: "\n").utf8))
    }

    /// - Parameter name: a path below the shipped files.
    private func append(_ name: String, to lines: inout [String]) throws {
        let path = "\(directory)/\(name)"
        if let target = try Files.linkTarget(path) {
            lines.append("\(try Digest.of(Array(target.utf8)).hexadecimal)  \(name)")
        } else if Files.isDirectory(path) {
            for entry in try Files.names(in: path) { try append("\(name)/\(entry)", to: &lines) }
        } else {
            lines.append("\(try Digest.of(file: path).hexadecimal)  \(name)")
        }
    }
}
