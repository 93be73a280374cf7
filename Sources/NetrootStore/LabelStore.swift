import Glibc
public import NetrootConfig
public import NetrootSystem

/// The directory of one label, with its generations (`NETROOT` in the hosts file).
public struct LabelStore: Sendable, Equatable {
    /// The label's name.
    public let label: String
    /// `NETROOT`.
    public let directory: String

    /// The directory that the hosts file gives the label; nothing is made yet.
    public init(label: Label) {
        self.init(label: label.name, directory: label.netroot)
    }

    /// A directory by path; nothing is made yet.
    public init(label: String, directory: String) {
        self.label = label
        self.directory = directory
    }

    /// Where the generations are.
    public var generationsDirectory: String { directory + "/generations" }
    /// The symlink to the current generation.
    public var currentLink: String { directory + "/current" }
    var lastNumberFile: String { generationsDirectory + "/.last" }
    static let draftPrefix = ".building-"

    /// Takes the label's lock, making the directory where it is missing.
    /// - Parameter verb: what the caller does, for the message of the next one.
    /// - Throws: `LockedError`, `SystemError`.
    public func lock(verb: String) throws -> FileLock {
        try Files.makeDirectory(generationsDirectory)
        return try FileLock(path: directory + "/.lock", subject: "label \(label)", verb: "\(verb) \(label)")
    }

    /// The numbers of the published generations, ascending.
    /// - Throws: `SystemError`.
    public func numbers() throws -> [Int] {
        try Files.names(in: generationsDirectory).compactMap(Self.number).sorted()
    }

    /// The number that a name is, in the one way in which netroot writes it; nil for other names. File handles of NFS have 32
    /// bits for it.
    static func number(_ name: String) -> Int? {
        Int(name).flatMap { $0 > 0 && $0 < Int(UInt32.max) && "\($0)" == name ? $0 : nil }
    }

    /// The published generations, ascending.
    /// - Throws: `StoreError`, `SystemError`.
    public func generations() throws -> [Generation] {
        try numbers().map { try generation($0) }
    }

    /// The published generations that are whole, ascending, and what is wrong with the others.
    /// - Throws: `SystemError`.
    public func usable() throws -> (generations: [Generation], damaged: [StoreError]) {
        var generations: [Generation] = []
        var damaged: [StoreError] = []
        for number in try numbers() {
            do {
                generations.append(try generation(number))
            } catch let error as StoreError {
                damaged.append(error)
            }
        }
        return (generations, damaged)
    }

    /// One published generation.
    /// - Throws: `StoreError`, `SystemError`.
    public func generation(_ number: Int) throws -> Generation {
        let directory = "\(generationsDirectory)/\(number)"
        guard Files.exists(directory) else {
            throw StoreError.unknown(label: label, number: number, known: try numbers())
        }
        return try Generation(number: number, directory: directory)
    }

    /// The number that `current` points at, or nil where there is none.
    /// - Throws: `StoreError.badCurrent` where something else stands there, `SystemError`.
    public func currentNumber() throws -> Int? {
        guard let target = try Files.linkTarget(currentLink) else {
            guard Files.exists(currentLink) else { return nil }
            throw StoreError.badCurrent(path: currentLink, label: label)
        }
        guard let number = Self.number(Files.name(target)) else {
            throw StoreError.badCurrent(path: currentLink, label: label)
        }
        return number
    }

    /// The current generation.
    /// - Throws: `StoreError.empty` where there is none, `StoreError`, `SystemError`.
    public func current() throws -> Generation {
        guard let number = try currentNumber() else { throw StoreError.empty(label: label) }
        return try generation(number)
    }

    /// Whether a run that was killed may have left something behind: a look that changes nothing.
    /// - Throws: `SystemError`.
    public func mayHaveLeftovers() throws -> Bool {
        if try !drafts().isEmpty { return true }
        return try places().contains { place in
            try Files.names(in: place).contains { $0.contains(".netroot-new") || Self.halfMade.contains($0) }
        }
    }

    /// Removes what a run that was killed left behind: drafts, generations on their way out, files on their way in. Call it with
    /// the lock held.
    /// - Returns: what was removed.
    /// - Throws: `CommandError`, `SystemError`.
    public func removeLeftovers(_ runner: CommandRunner) async throws -> [String] {
        let drafts = try drafts()
        for path in drafts { try await remove(path, runner) }
        var files: [String] = []
        for place in try places() {
            files += FileReplacement.removeUnfinished(in: place)
            files += try Files.names(in: place).filter(Self.halfMade.contains).map { "\(place)/\($0)" }
                .filter { unlink($0) == 0 }
        }
        return drafts + files
    }

    /// `current` on its way, and what `shell --live` makes anew; all of them under the label's lock.
    private static let halfMade: Set<String> = [
        "current.netroot-new", "\(ArtifactKind.kernel.fileName).new", "\(ArtifactKind.initramfs.fileName).new",
    ]

    private func drafts() throws -> [String] {
        try Files.names(in: generationsDirectory).filter { $0.hasPrefix(Self.draftPrefix) }
            .map { "\(generationsDirectory)/\($0)" }
    }

    /// The directories in which netroot replaces files of the label.
    private func places() throws -> [String] {
        let generations = try numbers().map { "\(generationsDirectory)/\($0)" }
        return try [directory, generationsDirectory, clientsDirectory]
            + generations.filter { try Files.isDirectory($0) && Files.linkTarget($0) == nil }
    }

    /// Begins the next generation in a directory that no other command takes for a generation, and drops what `body` has not
    /// published, also after a cancellation. Where `body` throws, the log of the draft goes to `failedLog`.
    /// - Parameters:
    ///   - keepingInterruptedLog: whether the log is kept after a cancellation, too.
    ///   - note: told what could not be removed.
    /// - Throws: `SystemError`, what `body` throws.
    public func withDraft<R>(
        keepingInterruptedLog: Bool = false, note: (String) -> Void, _ body: (Draft) async throws -> R
    ) async throws -> R {
        let draft = try begin()
        let result: Result<R, any Error>
        let keepsLog: Bool
        do {
            result = .success(try await body(draft))
            keepsLog = false
        } catch {
            result = .failure(error)
            keepsLog = keepingInterruptedLog || !(error is CancellationError)
        }
        do {
            try await uncancelled { try await abandon(draft, keepingLog: keepsLog, CommandRunner()) }
        } catch {
            note("\(draft.directory) is left for the next build to remove: \(error)")
        }
        return try result.get()
    }

    /// Begins the next generation in a directory that no other command takes for a generation.
    /// - Throws: `SystemError`.
    func begin() throws -> Draft {
        let number = max(try lastNumber(), try numbers().last ?? 0) + 1
        let directory = "\(generationsDirectory)/\(Self.draftPrefix)\(number)"
        let draft = Draft(number: number, directory: directory)
        // Nobody else enters before it is published, and the tree's own directory not after that either.
        for path in [directory, draft.treeDirectory] {
            try SystemError.check("make", path, mkdir(path, 0o700))
            // What the root's files would inherit from above is not theirs.
            try Files.disinherit(path, mode: 0o700)
        }
        return draft
    }

    /// The highest number so far, also of those that are gone; 0 before the first.
    private func lastNumber() throws -> Int {
        guard Files.exists(lastNumberFile) else { return 0 }
        let text = try Files.text(lastNumberFile, limit: 1 << 10)
        guard let number = Self.number(text.filter { !$0.isWhitespace }) else {
            throw StoreError.badLastNumber(path: lastNumberFile, found: TerminalText.line(String(text.prefix(40))))
        }
        return number
    }

    /// Where the log of the last build that failed is kept.
    public var failedLog: String { directory + "/failed-build.log" }

    /// Drops what is left of a draft: nothing is, where it was published.
    /// - Parameter keepingLog: whether its log goes to `failedLog`; with the draft it would be gone.
    /// - Throws: `CommandError`, `SystemError`.
    private func abandon(_ draft: Draft, keepingLog: Bool, _ runner: CommandRunner) async throws {
        guard Files.exists(draft.directory) else { return }
        if keepingLog, Files.exists(draft.log) { try Files.move(draft.log, to: failedLog) }
        try await remove(draft.directory, runner)
    }

    /// Writes the manifest, flushes everything to the disk, names the generation, and points `current` at it.
    /// - Throws: `EncodingError`, `CommandError`, `SystemError`, `StoreError`, `CancellationError`.
    public func publish(_ draft: Draft, manifest: Manifest) async throws -> Generation {
        try Files.replace(draft.directory + "/manifest.json", with: Array(try JSON.text(manifest).utf8))
        _ = try await CommandRunner().capture(Command(["sync", "--file-system", "--", draft.directory]))
        try Task.checkCancellation()
        // The servers of images, of the kernel and of the initramfs are other users.
        try SystemError.check("protect", draft.directory, chmod(draft.directory, 0o755))
        let directory = "\(generationsDirectory)/\(draft.number)"
        // For a server that may write there, and cannot make it.
        try Files.makeDirectory(clientsDirectory)
        // First: a full disk must not show after the generation has its name.
        try Files.replace(lastNumberFile, with: Array("\(draft.number)\n".utf8))
        try SystemError.check("publish", directory, rename(draft.directory, directory))
        try Files.sync(directory: generationsDirectory)
        let generation = try Generation(number: draft.number, directory: directory)
        try makeCurrent(generation)
        return generation
    }

    /// Writes the manifest of a generation that was edited in place.
    /// - Throws: `EncodingError`, `SystemError`.
    public func rewrite(_ manifest: Manifest, of generation: Generation) throws {
        try Files.replace(generation.directory + "/manifest.json", with: Array(try JSON.text(manifest).utf8))
    }

    /// Points `current` at a generation, in one step.
    /// - Throws: `SystemError`.
    public func makeCurrent(_ generation: Generation) throws {
        try Files.replaceLink(currentLink, target: "generations/\(generation.number)")
    }

    /// The generation that `rollback` goes to: the one asked for, or the newest whole one before the current one, which may
    /// be damaged itself.
    /// - Parameter note: told what was passed over.
    /// - Throws: `StoreError`, `SystemError`.
    public func rollbackTarget(_ number: Int?, note: (String) -> Void = { _ in }) throws -> Generation {
        if let number { return try generation(number) }
        guard let current = try currentNumber() else { throw StoreError.empty(label: label) }
        for earlier in try numbers().reversed() where earlier < current {
            do {
                return try generation(earlier)
            } catch let error as StoreError {
                note("passed over: \(error)")
            }
        }
        throw StoreError.nothingBefore(label: label, number: current)
    }

    func remove(_ path: String, _ runner: CommandRunner) async throws {
        try Files.removeTree(path)
    }
}

/// A generation in the making.
public struct Draft: Sendable, Equatable {
    /// The number that it will have.
    public let number: Int
    /// Where it is being made.
    public let directory: String

    /// The root tree.
    public var root: String { path(of: .tree) }
    /// The directory above it, which only its owner enters; there from the draft's beginning.
    public var treeDirectory: String { Files.parent(root) }
    /// The kernel.
    public var vmlinuz: String { path(of: .kernel) }
    public var initramfs: String { path(of: .initramfs) }
    /// The log of the build.
    public var log: String { directory + "/build.log" }
    /// What the build needs on the way, and removes before it publishes.
    public var scratch: String { directory + "/scratch" }

    /// Where the artifact of a kind is, or will be.
    public func path(of kind: ArtifactKind) -> String { "\(directory)/\(kind.fileName)" }
}
