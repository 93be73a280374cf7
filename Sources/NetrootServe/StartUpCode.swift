import Glibc

/// Takes the program's and its libraries' code out of the resident memory; what is still used comes back, from the
/// page cache, at the next call. Most of what start-up has touched is never called again, and would be half of the
/// resident memory of a server that runs for months.
func forgetStartUpCode() {
    guard let maps = fopen("/proc/self/maps", "re") else { return }
    defer { fclose(maps) }
    var line = [CChar](repeating: 0, count: 4096 + 128)
    while fgets(&line, Int32(line.count), maps) != nil {
        let text = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        // start-end permissions offset device inode path
        let words = text.split(separator: " ", omittingEmptySubsequences: true)
        guard words.count >= 6, words[1] == "r-xp", words[5].hasPrefix("/") else { continue }
        let bounds = words[0].split(separator: "-")
        guard bounds.count == 2, let start = UInt(bounds[0], radix: 16), let end = UInt(bounds[1], radix: 16),
            let address = UnsafeMutableRawPointer(bitPattern: start), end > start
        else { continue }
        // Nothing is lost: the pages are those of a file, mapped read-only. Should the call fail, they stay.
        madvise(address, Int(end - start), MADV_DONTNEED)
    }
}
