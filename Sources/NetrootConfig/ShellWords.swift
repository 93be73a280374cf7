/// Why a text cannot be split into words as a shell would.
enum ShellWordsError: Error, Equatable {
    case unbalancedQuote(Character)
    case trailingBackslash
}

/// A word of a text, and the byte of the text at which it begins.
struct ShellWord: Equatable {
    let text: String
    let offset: Int
}

/// Splits a text into words as a POSIX shell does (XCU 2.2 "Quoting", 2.6.5 "Field Splitting").
///
/// Blanks separate words; a backslash keeps the next character; single quotes keep everything; in double quotes a
/// backslash keeps `$`, a backquote, `"` and `\` only. Nothing is expanded: no variables, no globs, no comments.
func shellWords(_ text: String) throws(ShellWordsError) -> [String] { try placedShellWords(text).map(\.text) }

/// The same, with the place of each word.
func placedShellWords(_ text: String) throws(ShellWordsError) -> [ShellWord] {
    var words: [ShellWord] = []
    var word: [UInt8] = []
    var start = 0
    var offset = -1
    // An empty quoted word is a word, a blank is none.
    var inWord = false
    var quote: UInt8?
    var bytes = text.utf8.makeIterator()
    while let byte = bytes.next() {
        offset += 1
        if !inWord { start = offset }
        switch (quote, byte) {
        case (nil, _) where byte.isBlank || byte == UInt8(ascii: "\n"):
            if inWord { words.append(ShellWord(text: word[...].text, offset: start)) }
            word.removeAll()
            inWord = false
        case (nil, UInt8(ascii: "'")), (nil, UInt8(ascii: "\"")):
            quote = byte
            inWord = true
        case (UInt8(ascii: "'"), UInt8(ascii: "'")), (UInt8(ascii: "\""), UInt8(ascii: "\"")):
            quote = nil
        case (nil, UInt8(ascii: "\\")):
            guard let kept = bytes.next() else { throw .trailingBackslash }
            offset += 1
            word.append(kept)
            inWord = true
        case (UInt8(ascii: "\""), UInt8(ascii: "\\")):
            guard let next = bytes.next() else { throw .unbalancedQuote("\"") }
            offset += 1
            word += "$`\"\\".utf8.contains(next) ? [next] : [byte, next]
        default:
            word.append(byte)
            inWord = true
        }
    }
    if let quote { throw .unbalancedQuote(Character(UnicodeScalar(quote))) }
    if inWord { words.append(ShellWord(text: word[...].text, offset: start)) }
    return words
}
