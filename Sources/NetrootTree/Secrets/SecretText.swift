import Glibc

/// What the content of a file tells, whatever its name is.
enum SecretText {
    /// The kind of a content; nil where it is nothing known.
    static func kind(_ bytes: [UInt8]) -> SecretFinding.Kind? {
        if hasPrivateKey(bytes) { return .privateKey }
        return hasToken(bytes) ? .token : nil
    }

    // MARK: - Private keys

    /// Whether there is a private key in the armour of PEM or OpenPGP (RFC 7468, RFC 4880), of PuTTY, OpenVPN, age or tor.
    static func hasPrivateKey(_ bytes: [UInt8]) -> Bool {
        if starts(bytes, "PuTTY-User-Key-File-") || starts(bytes, "== ed25519v1-secret") { return true }
        if positions(of: "PRIVATE KEY", in: bytes).contains(where: { isKey(bytes, at: $0) }) { return true }
        if !positions(of: "-----BEGIN OpenVPN Static key", in: bytes).isEmpty { return true }
        return hasWord("AGE-SECRET-KEY-1", tail: 50, in: bytes)
    }

    /// The words alone are in many documents and programs. A key has its dashes around them, and Base64 behind them.
    private static func isKey(_ bytes: [UInt8], at words: Int) -> Bool {
        let begin = Array("-----BEGIN ".utf8)
        let before = bytes[max(0, words - 40)..<words]
        guard let start = (before.startIndex..<before.endIndex).last(where: { before[$0...].starts(with: begin) })
        else { return false }
        let kind = before[(start + begin.count)...]
        guard kind.allSatisfy({ $0 == 0x20 || (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) }) else {
            return false
        }
        var rest = bytes[(words + "PRIVATE KEY".utf8.count)...]
        if rest.starts(with: Array(" BLOCK".utf8)) { rest = rest.dropFirst(6) }
        guard rest.starts(with: Array("-----".utf8)) else { return false }
        // Headers such as DEK-Info may come first.
        var run = 0
        for byte in rest.prefix(1 << 10) {
            run = byte.isBase64 ? run + 1 : 0
            if run == 48 { return true }
        }
        return false
    }

    // MARK: - Tokens

    /// The beginnings of tokens whose form their services document, each with the least number of characters behind it.
    private static let tokens: [(start: String, tail: Int)] = [
        ("ghp_", 36), ("gho_", 36), ("ghs_", 36), ("ghr_", 36), ("github_pat_", 50), ("glpat-", 20), ("glrt-", 20),
        ("xoxb-", 24), ("xoxp-", 24), ("sk_live_", 24), ("rk_live_", 24), ("npm_", 36), ("pypi-AgEIcHlwaS5vcmc", 50),
        ("dckr_pat_", 20), ("hvs.", 24), ("AIza", 35), ("hf_", 34), ("sk-ant-", 40),
    ]

    private static func hasToken(_ bytes: [UInt8]) -> Bool {
        tokens.contains { hasWord($0.start, tail: $0.tail, in: bytes) }
    }

    /// Whether a word with this beginning has at least so many letters, digits, `-` and `_` behind it.
    private static func hasWord(_ start: String, tail: Int, in bytes: [UInt8]) -> Bool {
        positions(of: start, in: bytes).contains { position in
            guard position == 0 || !isWordPart(bytes[position - 1]) else { return false }
            let rest = bytes[(position + start.utf8.count)...].prefix(tail)
            // A name of a variable has no digits and capitals in one.
            return rest.count == tail && rest.allSatisfy(isWordPart) && rest.contains { (0x30...0x39).contains($0) }
        }
    }

    private static func isWordPart(_ byte: UInt8) -> Bool {
        (byte.isBase64 && byte != 0x2B && byte != 0x2F) || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
    }

    // MARK: - Searching

    static func starts(_ bytes: [UInt8], _ text: String) -> Bool { bytes.starts(with: text.utf8) }

    /// Where a text is in the bytes, from the first place on.
    static func positions(of text: String, in bytes: [UInt8]) -> [Int] {
        let wanted = Array(text.utf8)
        guard let first = wanted.first, bytes.count >= wanted.count else { return [] }
        var found: [Int] = []
        bytes.withUnsafeBytes { buffer in
            guard let base = buffer.baseAddress else { return }
            let end = buffer.count - wanted.count + 1
            var offset = 0
            while offset < end, let hit = memchr(base + offset, Int32(first), end - offset) {
                let position = base.distance(to: UnsafeRawPointer(hit))
                if memcmp(hit, wanted, wanted.count) == 0 { found.append(position) }
                offset = position + 1
            }
        }
        return found
    }
}
