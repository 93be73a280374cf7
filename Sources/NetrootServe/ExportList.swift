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
    }

    private let state: Mutex<State>
    private let provider: ExportProvider?
    private let limits: NFSLimits
    private let descriptors: DescriptorCache
    private let cache: SquashfsCache
    private let onFirstUse: (@Sendable (Export) -> Void)?
    private let log: Logger

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
        state = Mutex(State(trees: trees))
        self.provider = provider
        self.onFirstUse = onFirstUse
        self.limits = limits
        self.log = log
    }

    /// A client has named the tree: called once for a connection and a tree, and not for every call.
    func use(_ tree: ServedTree) {
        if let onFirstUse { tree.use(first: onFirstUse) }
    }

    /// Tells the log of a file in an image that cannot be read, once.
    func note(_ error: SquashfsReadError, inode: UInt64, in tree: ServedTree) {
        guard tree.isNew(failure: inode) else { return }
        do throws(NFSStatus) {
            let path = try tree.withState { (state) throws(NFSStatus) in
                state.path(try state.node(inode: inode, now: monotonicSeconds()))
            }
            log.error("cannot read \(path) of export \(TerminalText.line("\(tree.path): \(error)"))")
        } catch {
            log.error("cannot read inode \(inode) of export \(TerminalText.line(tree.path)): NFS status \(error)")
        }
    }

    /// The tree that a handle belongs to.
    func tree(_ handle: FileHandle) -> ServedTree? {
        state.withLock { state in
            state.trees.first { $0.pathHash == handle.export && $0.export.generation == handle.generation }
        }
    }

    /// The tree that MNT means: the first of that path; `/` means the only path where there is but one.
    func tree(path: String) -> ServedTree? {
        let path = Export(path: path, directory: "", generation: 0).normalPath
        return state.withLock { state in
            if let tree = state.trees.first(where: { $0.path == path }) { return tree }
            guard path == "/", let first = state.trees.first else { return nil }
            return state.trees.allSatisfy { $0.path == first.path } ? first : nil
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
    func refresh() async {
        guard let provider else { return }
        while isAsking {
            do { try await Task.sleep(for: .milliseconds(20)) } catch { return }
        }
        guard mayAsk else { return }
        let now = monotonicSeconds()
        let mine = state.withLock { state in
            defer { state.isAsking = true }
            return !state.isAsking
        }
        guard mine else { return }
        do {
            let wanted = try await provider()
            let known = state.withLock { $0.trees }
            var trees: [ServedTree] = []
            for export in wanted {
                if let tree = known.first(where: { $0.export == export }) {
                    trees.append(tree)
                    continue
                }
                do throws(ServeError) {
                    trees.append(try ServedTree(export, limits: limits, descriptors: descriptors, cache: cache))
                } catch {
                    log.error("\(TerminalText.lines(error.description))")
                }
            }
            let others = known.filter { tree in !trees.contains { $0 === tree } && tree.isPresent }
            let all = trees + others
            state.withLock { $0.trees = all }
        } catch {
            log.error("cannot ask for new generations: \(TerminalText.lines("\(error)"))")
        }
        state.withLock { state in
            state.isAsking = false
            state.asked = now
        }
    }
}
