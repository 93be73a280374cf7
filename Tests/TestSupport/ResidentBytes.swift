import NetrootSystem

/// VmRSS of this process, in bytes.
/// - Throws: `SystemError`, `TestFailure`.
package func residentBytes() throws -> Int {
    let words = try Files.text("/proc/self/statm").split(separator: " ")
    guard words.count > 1, let pages = Int(words[1]) else { throw TestFailure("/proc/self/statm has no second number") }
    return pages * 4096
}
