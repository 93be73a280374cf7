import NetrootSystem
import Subprocess
import SystemPackage

/// What reads bytes as they come.
protocol StreamReader {
    associatedtype Result: Sendable

    /// The next bytes.
    mutating func take(_ bytes: [UInt8]) throws
    /// No more bytes come.
    mutating func finish() throws -> Result
}

/// A program that decompresses from standard input to standard output.
struct Decompressor: Sendable {
    let tool: Tool
    let arguments: [String]

    /// Decompresses from where a file stands to its end.
    /// - Parameter reader: made for this run, and fed what comes out.
    /// - Returns: what the reader made of it.
    /// - Throws: `MissingError`, `DecompressionError`, `CancellationError`, and what the reader throws.
    func run<Reader: StreamReader>(
        from file: FileDescriptor, into reader: @Sendable () throws -> Reader
    ) async throws -> Reader.Result {
        try Tool.require([tool])
        let result = try await Subprocess.run(
            .path(FilePath(tool.path ?? tool.name)), arguments: Arguments(arguments),
            environment: CommandRunner.programEnvironment,
            input: .fileDescriptor(file, closeAfterSpawningProcess: false), output: .sequence,
            error: .string(limit: 64 << 10)
        ) { execution in
            var reader = try reader()
            for try await buffer in execution.standardOutput {
                try reader.take(buffer.withUnsafeBytes { Array($0) })
            }
            return try reader.finish()
        }
        try Task.checkCancellation()
        guard result.terminationStatus.isSuccess else {
            let message = result.standardError.split(separator: "\n").last.map(String.init)
            throw DecompressionError(message: message ?? "it ended with \(result.terminationStatus)")
        }
        return result.closureResult
    }
}

/// A decompressor failed; its caller knows on which file.
struct DecompressionError: Error {
    /// What it said.
    let message: String
}
