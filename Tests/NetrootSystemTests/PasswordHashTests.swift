import NetrootSystem
import TestSupport
import Testing

@Suite struct PasswordHashTests {
    @Test("Each hash has a salt of its own, and is of a password alone: perl's crypt(3) makes it again")
    func reference() async throws {
        let scratch = try ScratchDirectory()
        let (first, second) = (try PasswordHash(of: Array("p:ä ß".utf8)), try PasswordHash(of: Array("p:ä ß".utf8)))
        #expect(first != second)
        #expect(first.text.hasPrefix("$y$") || first.text.hasPrefix("$6$"))
        let again = try await scratch.output("perl", ["-e", "print crypt($ARGV[0], $ARGV[1])", "p:ä ß", first.text])
        #expect(again == first.text)
        #expect(try PasswordHash(made: first.text) == first)
    }

    @Test("What crypt(3) takes in a salt and /init does not is refused: both have the same characters")
    func characters() async throws {
        let scratch = try ScratchDirectory()
        let make = #"for (33..126) { my $h = crypt("x", "\$6\$a" . chr($_) . "b\$"); print "$_ $h\n" if $h =~ /^\$/ }"#
        let hashes = try await scratch.output("perl", ["-e", make])
        let library = "\(Checkout.path)/dracut-modules/95netroot-rootovl"
        let script = """
            . "$1/rootovl-lib.sh"; . "$1/rootovl-root.sh"
            mkdir -p root/etc
            while read -r code hash; do
                printf '%s\\n' "$hash" > hash
                echo 'root:*:1::::::' > root/etc/shadow
                if rootovl_password hash root > said; then echo "$code"; fi
            done
            """
        let taken = try await scratch.output(
            "sh", ["-c", script, "sh", library], input: try scratch.write("hashes", hashes))
        let lines = hashes.split(separator: "\n").map { $0.split(separator: " ", maxSplits: 1) }
        let ours = lines.filter { line in
            do {
                _ = try PasswordHash(made: String(line[1]))
                return true
            } catch { return false }
        }.map { String($0[0]) }
        // crypt(3) takes a + (43), and no method of crypt(5) makes one; all make dots (46).
        #expect(hashes.contains("\n43 $6$a+b$") && !ours.contains("43") && ours.contains("46"))
        // A side-load may have a locked account as well: ! (33) and * (42).
        let theirs = taken.split(separator: "\n").map(String.init).filter { !["33", "42"].contains($0) }
        #expect(ours == theirs)
    }

    @Test("A hash that is cut, or longer than one, is none")
    func cut() throws {
        let text = try PasswordHash(of: Array("x".utf8)).text
        for count in [1, 10, 43] {
            #expect(throws: PasswordHashError.malformed) { try PasswordHash(made: String(text.dropLast(count))) }
        }
        for tail in [".", " ", ":", "\n", "\0"] {
            #expect(throws: PasswordHashError.malformed) { try PasswordHash(made: text + tail) }
        }
    }
}
