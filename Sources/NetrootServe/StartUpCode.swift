import Glibc

/// Takes the program's and its libraries' code and constants out of the resident memory; what is still used comes back,
/// from the page cache, when it is touched. Most of what start-up has touched is never used again, and would be half of
/// the resident memory of a server that runs for months.
func forgetStartUpCode() {
    // Not being able to look does no harm: the pages stay.
    guard let maps = fopen("/proc/self/smaps", "re") else { return }
    defer { fclose(maps) }
    var line = [CChar](repeating: 0, count: 4096 + 128)
    var mapping: (start: UInt, end: UInt)?
    while fgets(&line, Int32(line.count), maps) != nil {
        let text = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        let words = text.split(whereSeparator: { $0 == " " || $0 == "\n" })
        guard let first = words.first else { continue }
        if !first.hasSuffix(":") {
            mapping = readOnlyFile(words)
        } else if first == "Anonymous:" {
            // A page that was written to, as by the dynamic linker, is no longer the file's, and would be lost.
            if let mapping, words.count > 1, words[1] == "0" {
                madvise(
                    UnsafeMutableRawPointer(bitPattern: mapping.start), Int(mapping.end - mapping.start), MADV_DONTNEED)
            }
            mapping = nil
        }
    }
}

/// The bounds of a mapping that is a file's and cannot be written to, from its line in smaps: start-end, permissions,
/// offset, device, inode, path.
private func readOnlyFile(_ words: [Substring]) -> (start: UInt, end: UInt)? {
    guard words.count >= 6, words[1] == "r-xp" || words[1] == "r--p", words[5].hasPrefix("/") else { return nil }
    let bounds = words[0].split(separator: "-")
    guard bounds.count == 2, let start = UInt(bounds[0], radix: 16), let end = UInt(bounds[1], radix: 16), end > start
    else { return nil }
    return (start, end)
}
