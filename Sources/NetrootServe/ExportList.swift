import Logging
import NetrootImage
import NetrootSystem
import Synchronization

/// Asked for the exports of now, when a client names one that is not known yet.
public typealias ExportProvider = @Sendable () async throws -> [Export]

/// The trees that are served: those of the start, and those that the provider named later. A tree stays for as long
/// as its clients may, that is, until the provider no longer names it and its directory is gone.
final class ExportList: Sendable {
    private struct State {
        var trees: [ServedTree]
        var isAsking = false
        var asked: UInt32?
        /// Exports that were served and are not there any more.
        var gone: [Export: ServedTree.Former] = [:]
    }

    private let state: Mutex<State>
    /// What is served where nobody can be asked.
    private let initial: [Export]
    private let provider: ExportProvider?
    private let limits: NFSLimits
    private let descriptors: DescriptorCache
    let cache: SquashfsCache
    private let onFirstUse: (@Sendable (Export) -> Void)?
    private let log: Logger
    /// What could not be read the last time: it is told once.
    private let told = Mutex<Set<String>>([])

    /// Reads the trees. One that cannot be read goes to the log: the clients of the others are not to wait for it.
    /// - Throws: `.unreadableExport`, `.unreadableImage` where none is left.
    init(
        _ exports: [Export], provider: ExportProvider?, onFirstUse: (@Sendable (Export) -> Void)?, limits: NFSLimits,
        log: Logger
    ) throws(ServeError) {
        descriptors = DescriptorCache(limit: limits.openFiles)
        cache = SquashfsCache(blockBytes: limits.imageCacheBytes)
        var trees: [ServedTree] = []
        var failures: [ServeError] = []
        for export in exports {
            do throws(ServeError) {
                trees.append(try ServedTree(export, limits: limits, descriptors: descriptors, cache: cache))
            } catch {
                failures.append(error)
            }
        }
        if trees.isEmpty, let first = failures.first { throw first }
        for failure in failures { log.error("\(TerminalText.lines(failure.description))") }
        let told = Set(failures.map(\.description))
        self.told.withLock { $0 = told }
        state = Mutex(State(trees: trees))
        initial = exports
        self.provider = provider
        self.onFirstUse = onFirstUse
        self.limits = limits
        self.log = log
    }

    /// Whether `use` would call somebody, which may take a while.
    func isFirstUse(of tree: ServedTree) -> Bool { onFirstUse != nil && !tree.wasUsed }

    /// A client has named the tree: called once for a connection and a tree, and not for every call.
    func use(_ tree: ServedTree) {
        if let onFirstUse { tree.use(first: onFirstUse) }
    }

    /// Looks now and then whether another tree has the place of one that clients use.
    func look(at tree: ServedTree) {
        guard tree.isLookDue(now: monotonicSeconds(), every: limits.providerSeconds) else { return }
        Task { if !tree.isPresent { await refresh(noticesSuccessors: true) } }
    }

    /// Tells the log of a file in an image that cannot be read, once.
    func note(_ error: SquashfsReadError, inode: UInt64, in tree: ServedTree) {
        guard tree.isNew(failure: inode) else { return }
        do throws(NFSStatus) {
            let path = try tree.withState(true) { (state) throws(NFSStatus) in
                state.path(try state.node(inode: inode, now: monotonicSeconds()))
            }
            log.error("cannot read \(path) of export \(TerminalText.line("\(tree.path): \(error)"))")
        } catch {
            log.error("cannot read inode \(inode) of export \(TerminalText.line(tree.path)): NFS status \(error)")
        }
    }

    /// The tree that a handle belongs to.
    func tree(_ handle: FileHandle) -> ServedTree? {
        state.withLock { state in state.trees.first { $0.owns(handle) } }
    }

    /// The tree that MNT means, and the names of the directory in it: the first tree of the longest path; `/` means the
    /// only path where there is but one.
    func tree(path: MountPath) -> (tree: ServedTree, names: [[UInt8]])? {
        state.withLock { state in
            var found: ServedTree?
            for tree in state.trees where path.names.starts(with: tree.mountPath.names) {
                if tree.mountPath.names.count > found?.mountPath.names.count ?? -1 { found = tree }
            }
            if let found { return (found, Array(path.names.dropFirst(found.mountPath.names.count))) }
            guard path.names.isEmpty, let first = state.trees.first else { return nil }
            return state.trees.allSatisfy { $0.path == first.path } ? (first, []) : nil
        }
    }

    /// The exported paths, each once, in order.
    var paths: [String] {
        state.withLock { state in
            state.trees.reduce(into: []) { paths, tree in
                if !paths.contains(tree.path) { paths.append(tree.path) }
            }
        }
    }

    /// Whether the provider would be asked now.
    var mayAsk: Bool {
        guard provider != nil else { return false }
        let now = monotonicSeconds()
        return state.withLock { state in
            !state.isAsking && state.asked.map { now &- $0 >= UInt32(limits.providerSeconds) } ?? true
        }
    }

    /// Whether somebody is asking the provider now.
    var isAsking: Bool { state.withLock { $0.isAsking } }

    /// Asks the provider, unless it was asked a moment ago, and takes over what it says. What fails is logged, and
    /// leaves the list as it was: running clients go on.
    /// - Parameter noticesSuccessors: whether trees that others have taken the place of are reopened at once, even if
    ///   the provider was asked a moment ago.
    func refresh(noticesSuccessors: Bool = false) async {
        while isAsking {
            do { try await Task.sleep(for: .milliseconds(20)) } catch { return }
        }
        guard mayAsk || noticesSuccessors && hasSuccessors else { return }
        let now = monotonicSeconds()
        let mine = state.withLock { state in
            defer { state.isAsking = true }
            return !state.isAsking
        }
        guard mine else { return }
        do {
            let wanted = try await provider?() ?? initial
            take(wanted)
        } catch {
            log.error("cannot ask for new generations: \(TerminalText.lines("\(error)"))")
        }
        state.withLock { state in
            state.isAsking = false
            state.asked = now
        }
    }

    private var hasSuccessors: Bool { state.withLock { $0.trees }.contains { $0.hasSuccessor } }

    /// Takes over what is to be served now.
    private func take(_ wanted: [Export]) {
        let (known, gone) = state.withLock { ($0.trees, $0.gone) }
        var trees: [ServedTree] = []
        var failed: Set<String> = []
        for export in wanted {
            let before = known.first { $0.export == export }
            if let before, !before.hasSuccessor {
                trees.append(before)
                continue
            }
            let former = before?.former ?? gone[export]
            do throws(ServeError) {
                let tree = try ServedTree(
                    export, limits: limits, descriptors: descriptors, cache: cache, former: former)
                trees.append(tree)
                if let former { note(tree, after: former) }
            } catch {
                failed.insert(error.description)
            }
        }
        let before = told.withLock { told in
            defer { told = failed }
            return told
        }
        for failure in failed.subtracting(before).sorted() { log.error("\(TerminalText.lines(failure))") }
        let others = known.filter { tree in !trees.contains { $0 === tree } && tree.isPresent }
        let all = trees + others
        let lost = known.filter { tree in !all.contains { $0 === tree } }
        for tree in lost where !all.contains(where: { $0.export == tree.export }) {
            log.warning("\(TerminalText.line(tree.path)) is not there any more, and is served no longer")
        }
        state.withLock { state in
            state.trees = all
            for tree in lost { state.gone[tree.export] = tree.former }
            for tree in all { state.gone[tree.export] = nil }
        }
        // Only when the new ones can be found.
        for tree in lost { tree.retire() }
    }

    private func note(_ tree: ServedTree, after former: ServedTree.Former) {
        let export = tree.export
        let what = export.isImage ? "the image" : "the directory"
        guard tree.handleHash != former.handleHash else {
            log.notice(
                """
                \(TerminalText.line(export.path)) was opened again: \(what) was moved or written, and is the same as \
                before. Clients that run from it go on
                """)
            return
        }
        log.warning(
            """
            \(TerminalText.line(export.path)) was made anew: \(what) is another one now, and is served. Clients that \
            run from the old one get "stale file handle": start them again
            """)
    }
}
