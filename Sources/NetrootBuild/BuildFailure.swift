import NetrootConfig
public import NetrootSystem

/// Work on a root that failed: the reason, and around it what whoever gave the reason does not know.
public struct BuildFailure: ReportableError {
    /// The recipe's path, and perhaps the line that the reason is about; nil where the recipe has nothing to do with it.
    let place: String?
    /// Why.
    let reason: any ReportableError
    /// The step of the build; nil before the first.
    private(set) var step: String?
    /// Where the log is kept; nil where there is none.
    private(set) var log: String?
    /// What can be done for a package that the root lacks.
    private var installing: PackageSource

    /// That of the reason.
    public var exitStatus: ExitStatus { reason.exitStatus }

    /// `RECIPE:LINE: STEP: REASON`, and the log. The step is named where the reason may be any program's or file's.
    public var description: String {
        let saysWhat = reason is BuildError || reason is ContainerError || reason is CacheError
        let words = (reason as? BuildError)?.description(installing: installing) ?? "\(reason)"
        let text = [place, saysWhat ? nil : step, words].compactMap { $0 }.joined(separator: ": ")
        guard let log else { return text }
        // Behind the next step, unless the last line is a program's.
        let last = text.split(separator: "\n").last ?? ""
        return text + (text.contains("\n") && !last.hasPrefix("  ") ? "; " : "\n") + "log: \(log)"
    }

    /// An error with what is known around it; what was added before stays.
    ///
    /// Cancellation is no failure, and a `ConfigError` names its own place.
    static func of(
        _ error: any Error, recipePath: String?, line: Int? = nil, step: String? = nil, log: String? = nil,
        installing: PackageSource = .include
    ) -> any Error {
        if var failure = error as? BuildFailure {
            failure.step = failure.step ?? step
            failure.log = failure.log ?? log
            if failure.installing == .include { failure.installing = installing }
            return failure
        }
        guard var reason = error as? any ReportableError, !(error is ConfigError) else { return error }
        // The log of a command lies in the draft, which goes.
        if let command = reason as? CommandError { reason = command.loggedIn(nil) }
        let line = (reason as? BuildError)?.line ?? line
        return BuildFailure(
            place: recipePath.map { path in path + (line.map { ":\($0)" } ?? "") }, reason: reason, step: step,
            log: log, installing: installing)
    }
}
