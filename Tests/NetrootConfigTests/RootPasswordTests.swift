import NetrootConfig
import NetrootSystem
import Testing

@Suite struct RootPasswordTests {
    private func read(_ text: String) throws(ConfigError) -> RootPassword {
        try RootPassword(text: Array(text.utf8), file: "site.rootpw")
    }

    @Test("The first line is the password, with its blanks; what follows is not", arguments: ["", "\n", "\nmore\n"])
    func firstLine(rest: String) throws {
        #expect(try read(" a:b é " + rest) == .plain(Array(" a:b é ".utf8)))
    }

    @Test("A hash of crypt(5) is taken as it is")
    func hashed() throws {
        let hash = try PasswordHash(of: Array("secret".utf8))
        #expect(try read("hashed:\(hash.text)\n") == .hashed(hash))
        #expect(try read("hashed:\(hash.text)\n").hash() == hash)
        // openssl passwd -6 -salt saltsalt secret
        let other =
            "$6$saltsalt$B6WPYi4jAy7HjsNjEUaPS5qBIAYGQeiWInzUvA9o3/Mv8Q5ofhAMD7j5SGjRZJNoOC5wXh1rRSxFLxNTeGb4x/"
        #expect(throws: Never.self) { try read("hashed:\(other)") }
    }

    @Test(
        "What is no password is refused, with what to do, and not repeated",
        arguments: [
            ("", "no password on the first line"), ("\nsecret\n", "no password on the first line"),
            ("secret\r\n", "carriage return"), ("\u{FEFF}secret\n", "byte order mark"), ("sec\0ret", "NUL"),
            (String(repeating: "secret", count: 100), "more than 512 bytes"), ("hashed:", "no hash"),
            ("hashed:secret", "no hash"), ("hashed:$y$j9T$secretsecret", "no hash"),
            ("hashed:$6$secret", "no hash"), ("hashed:!$6$secret$x", "no hash"), ("hashed:*", "no hash"),
            ("hashed:$1$secret$8oNhXJRiNYbW9OcmDsOhW.", "an outdated method"),
            ("hashed:secretsecrets", "no hash"),
        ])
    func refused(text: String, words: String) {
        let error = #expect(throws: ConfigError.self) { try read(text) }
        let message = error.map { "\($0)" } ?? ""
        #expect(message.hasPrefix("site.rootpw:1: ") && message.contains(words), "\(message)")
        #expect(!message.contains("secret"), "\(message)")
        #expect(error?.exitStatus == .usage)
    }

    @Test("A made password has a hundred bits of letters that nobody confuses, and no two are the same")
    func random() {
        let made = (0..<200).map { _ in RootPassword.random() }
        #expect(Set(made).count == 200)
        for password in made {
            #expect(password.wholeMatch(of: /([a-km-np-z2-9]{5}-){3}[a-km-np-z2-9]{5}/) != nil, "\(password)")
        }
        // Each of the 32 letters comes: in 4,000 of them one is missing once in 10^54 runs.
        #expect(Set(made.joined()).count == 33)
    }
}
