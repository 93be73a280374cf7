/// What is wrong with a pattern of fnmatch(3), and what to do about it; nil for nothing.
///
/// fnmatch(3) itself takes a `[` without its `]` for a letter.
func globProblem(_ text: String) -> (problem: String, hint: String)? {
    let bytes = Array(text.utf8)
    var index = 0
    while index < bytes.count {
        switch bytes[index] {
        case UInt8(ascii: "\\"):
            guard index + 1 < bytes.count else { return ("'\(text)' ends with a backslash", "remove it") }
            index += 2
        case UInt8(ascii: "["):
            guard let end = endOfSet(bytes, after: index) else {
                return ("'\(text)' has a '[' without its ']'", "close it")
            }
            index = end + 1
        default: index += 1
        }
    }
    return nil
}

/// The `]` that ends a set; one that stands first is a member, and so is one of `[:digit:]` and its kin.
private func endOfSet(_ bytes: [UInt8], after start: Int) -> Int? {
    var index = start + 1
    if index < bytes.count, "!^".utf8.contains(bytes[index]) { index += 1 }
    var isFirst = true
    while index < bytes.count {
        if bytes[index] == UInt8(ascii: "]"), !isFirst { return index }
        isFirst = false
        if bytes[index] == UInt8(ascii: "["), index + 1 < bytes.count, ":.=".utf8.contains(bytes[index + 1]) {
            let kind = bytes[index + 1]
            index += 2
            while index + 1 < bytes.count, bytes[index] != kind || bytes[index + 1] != UInt8(ascii: "]") {
                index += 1
            }
            guard index + 1 < bytes.count else { return nil }
            index += 2
        } else {
            index += bytes[index] == UInt8(ascii: "\\") ? 2 : 1
        }
    }
    return nil
}
