import Glibc
import NetrootImage
import NetrootSystem

/// What was left and what went of the files of one kind.
public struct RemovedFiles: Sendable, Equatable {
    public var kept = 0
    public var removed = 0
    /// The sizes of the files that went, in bytes.
    public var bytes: Int64 = 0
}

/// The files of one kernel's modules in a root.
public struct ModuleFiles: Sendable {
    private let tree: RootTree
    private let version: String

    private var folder: String { "lib/modules/\(version)" }

    /// Those of a kernel by its version; nothing is looked at yet.
    public init(of tree: RootTree, version: String) {
        self.tree = tree
        self.version = version
    }

    /// What depmod wrote down of them; nil where it never ran.
    /// - Throws: `RootPathError`, `SystemError`.
    public func graph() throws -> ModuleGraph? {
        guard try tree.contains("\(folder)/modules.dep") else { return nil }
        return ModuleGraph(
            dep: try text("dep"), softdep: try text("softdep"), weakdep: try text("weakdep"), alias: try text("alias"),
            builtin: try text("builtin"))
    }

    private func text(_ name: String) throws -> String {
        let path = "\(folder)/modules.\(name)"
        return try tree.contains(path) ? try tree.text(path) : ""
    }

    /// Removes the files of all other modules, and the directories that are empty then. depmod has to run afterwards.
    /// - Throws: `SystemError`, `CancellationError`.
    public func remove(keeping names: Set<String>, of graph: ModuleGraph) throws -> RemovedFiles {
        let kept = Set(names.compactMap { graph.modules[$0]?.path }.map { Array($0.utf8) })
        var result = RemovedFiles()
        var directories: [[UInt8]] = []
        let top = try DirectoryHandle(try tree.resolve(folder))
        try top.walk { entry in
            if entry.type == .directory { directories.append(entry.path) }
            guard entry.type == .regular || entry.type == .symlink,
                InitramfsContents.moduleName(String(decoding: entry.name, as: UTF8.self)) != nil
            else { return }
            if kept.contains(entry.path) {
                result.kept += 1
            } else {
                result.removed += 1
                if entry.type == .regular { result.bytes += Int64(entry.status.st_size) }
                try entry.directory.remove(entry.name)
            }
        }
        try top.removeEmpty(directories)
        return result
    }

    /// The firmware that modules ask for, and what the kernel's built-in drivers do.
    /// - Throws: `RootPathError` where a file is no module, `SystemError`, `CancellationError`.
    public func firmware(of names: Set<String>, in graph: ModuleGraph) throws -> FirmwareNeeds {
        var needs = FirmwareNeeds(hasRegulatory: names.contains("cfg80211") || graph.builtin["cfg80211"] != nil)
        for path in names.compactMap({ graph.modules[$0]?.path }).sorted() {
            try Task.checkCancellation()
            do {
                let module = try KernelModuleFile(try tree.read("\(folder)/\(path)", limit: 512 << 20))
                for name in module.values("firmware") { needs.insert(name) }
            } catch let error as KernelModuleError {
                throw RootPathError(path: "/\(folder)/\(path)", reason: "no kernel module: \(error.problem)")
            }
        }
        let list = "\(folder)/modules.builtin.modinfo"
        guard try tree.contains(list) else { return needs }
        for field in KernelModuleFile.fields(of: try tree.read(list)) where field.name.hasSuffix(".firmware") {
            needs.insert(field.value)
        }
        return needs
    }
}

extension DirectoryHandle {
    /// Removes those of these directories below this one in which nothing is, the deepest first.
    func removeEmpty(_ paths: [[UInt8]]) throws {
        for path in paths.sorted(by: { $0.count > $1.count }) {
            let (above, name) = Self.split(path)
            let holder = try below(above)
            guard unlinkat(holder.descriptor, Self.terminated(name), AT_REMOVEDIR) != 0 else { continue }
            guard errno == ENOTEMPTY || errno == EEXIST else { throw holder.failure("remove", name) }
        }
    }
}
