import NetrootSystem

/// What changes from one content of a file to another, as diff(1) says it.
enum UnifiedDiff {
    static let tool = Tool("diff", package: "diffutils")

    /// The output of `diff -u`, safe for a terminal; empty where nothing changes.
    /// - Parameters:
    ///   - old: the content before; nil where there is no file.
    ///   - new: the content there will be; nil where the file is removed.
    ///   - path: the file, as the diff calls it.
    /// - Throws: `MissingError`, `CommandError`, `SystemError`, `CancellationError`.
    static func text(old: [UInt8]?, new: [UInt8]?, path: String) async throws -> String {
        guard old != new else { return "" }
        let labels = [old, new].map { $0 == nil ? "/dev/null" : TerminalText.line(path) }
        // A file without content that comes or goes has no lines to show, and diff(1) prints nothing.
        guard old ?? [] != new ?? [] else { return "--- \(labels[0])\n+++ \(labels[1])\n" }
        try Tool.require([tool])
        return try await Files.withTemporaryDirectory { directory in
            let files = ["old", "new"].map { "\(directory)/\($0)" }
            for (file, content) in zip(files, [old, new]) {
                try Files.replace(file, with: content ?? [], mode: 0o600)
            }
            // Whatever the bytes are, a difference is shown and not only told.
            let command = Command(["diff", "-u", "--text"] + labels.flatMap { ["--label", $0] } + ["--"] + files)
            return TerminalText.lines(try await CommandRunner().captureBytes(command, accepting: [0, 1]))
        }
    }
}
