extension Recipe.Stage {
    /// How `%test` is run.
    public enum TestProgram: Sendable, Equatable {
        /// As a file with this text, by the program that its first line names.
        case file(bytes: [UInt8], interpreter: String)
        /// As the last argument of these words.
        case argument(of: [String])
    }

    /// What Apptainer makes of `%test` (`handleShebangScript` in internal/pkg/build/metadata.go): a program whose first line
    /// is the section's own `#!`, else that of `/bin/sh`, with the section's arguments behind it. So unlike `%post` it goes
    /// on where a command fails, and the status of the last one counts.
    ///
    /// `%test -c PROGRAM` is run as `%post` is; Apptainer would make no use of it.
    /// - Throws: `ConfigError` where `-c` names nothing, or a quote has no partner.
    public func testProgram() throws(ConfigError) -> TestProgram {
        guard let script = scripts[.test] else { return .argument(of: try interpreter(.test)) }
        let words = script.arguments.prefix { $0 != "#" }.description.blankSeparatedWords
        guard !words.contains("-c") else { return .argument(of: try interpreter(.test)) }
        var first = "#!/bin/sh"
        var rest = script.bytes[...]
        let text = script.bytes[...].drop { $0.isBlank || $0 == UInt8(ascii: "\n") }
        if text.starts(with: "#!".utf8) {
            let line = text.prefix { $0 != UInt8(ascii: "\n") }
            first = line.trimmingBlanks.text
            rest = script.bytes[line.endIndex...].dropFirst()
        }
        let program = first.dropFirst(2).split { $0 == " " || $0 == "\t" }.first.map(String.init) ?? "/bin/sh"
        let line = ([first] + words).joined(separator: " ")
        return .file(bytes: Array((line + "\n").utf8) + rest, interpreter: program)
    }
}
