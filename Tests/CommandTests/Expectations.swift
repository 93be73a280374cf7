import Foundation
import NetrootSystem
import Testing

/// Expects an error as every error should be: its status, one or two lines, and the words that name thing, place and
/// next step.
/// - Parameter outputLines: how many lines of a program's output the message may show besides.
func expectError(
    _ outcome: Outcome, _ status: NetrootSystem.ExitStatus, _ words: [String], outputLines: Int = 0,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(outcome.status == status.rawValue, "\(outcome.errors)", sourceLocation: sourceLocation)
    let lines = outcome.messageLines
    #expect(
        (1...(2 + outputLines)).contains(lines.count), "one or two lines: \(outcome.errors)",
        sourceLocation: sourceLocation)
    for word in words {
        #expect(outcome.message.contains(word), "'\(word)' in: \(outcome.errors)", sourceLocation: sourceLocation)
    }
    #expect(outcome.output.isEmpty, "nothing on standard output", sourceLocation: sourceLocation)
}

/// Expects that a command succeeded.
func expectSuccess(_ outcome: Outcome, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(outcome.status == 0, "\(outcome.errors)\(outcome.output)", sourceLocation: sourceLocation)
}

/// Expects that a command with `--json` succeeded, and reads its report.
func expectJSON<T: Decodable>(
    _ type: T.Type, _ outcome: Outcome, sourceLocation: SourceLocation = #_sourceLocation
) throws -> T {
    expectSuccess(outcome, sourceLocation: sourceLocation)
    return try JSONDecoder().decode(type, from: Data(outcome.output.utf8))
}
