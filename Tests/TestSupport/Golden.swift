import Glibc
import NetrootSystem
public import Testing

/// Compares a text with a file under Golden/; with NETROOT_UPDATE_GOLDEN=1 it writes that file instead.
public func expectGolden(
    _ name: String, _ text: String, file: String = #filePath, sourceLocation: SourceLocation = #_sourceLocation
) throws {
    let directory = file.prefix(upTo: file.lastIndex(of: "/") ?? file.startIndex)
    let path = "\(directory)/Golden/\(name)"
    if getenv("NETROOT_UPDATE_GOLDEN") != nil {
        try Files.replace(path, with: Array(text.utf8))
    }
    let golden = try Files.text(path)
    #expect(text == golden, "differs from \(path)", sourceLocation: sourceLocation)
}
