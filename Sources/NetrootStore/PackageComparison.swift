/// What became of the packages from one manifest to another, sorted by name, architecture and version.
public struct PackageComparison: Sendable, Equatable {
    /// In the later manifest only.
    public private(set) var added: [Manifest.Package] = []
    /// In the earlier manifest only.
    public private(set) var removed: [Manifest.Package] = []
    /// In both, with another version or architecture.
    public private(set) var changed: [Change] = []
    /// Names that either manifest has with several architectures: there the name alone does not say which package.
    public private(set) var ambiguous: Set<String> = []

    /// A package that is another one now.
    public struct Change: Sendable, Equatable {
        /// As it was.
        public let before: Manifest.Package
        /// As it is; the name is the same.
        public let after: Manifest.Package
    }

    /// Compares by name and architecture; what is then left of a name, one before and one after, is one package whose
    /// architecture changed. Of a name with several versions (kernels, say) those in both manifests are the same, and of
    /// the others one before and one after are a change, more are removed and added.
    public init(before: [Manifest.Package], after: [Manifest.Package]) {
        let earlier = Dictionary(grouping: before, by: \.name)
        let later = Dictionary(grouping: after, by: \.name)
        for name in Set(earlier.keys).union(later.keys) {
            let (old, new) = (earlier[name] ?? [], later[name] ?? [])
            if [old, new].contains(where: { Set($0.map(\.architecture)).count > 1 }) { ambiguous.insert(name) }
            compare(old, new)
        }
        added.sort(by: Self.precedes)
        removed.sort(by: Self.precedes)
        changed.sort { Self.precedes($0.before, $1.before) }
    }

    private mutating func compare(_ before: [Manifest.Package], _ after: [Manifest.Package]) {
        var old = before
        var new: [Manifest.Package] = []
        for package in after {
            // What was removed of a package's files does not make it another one.
            let same = old.firstIndex { ($0.version, $0.architecture) == (package.version, package.architecture) }
            if let same { old.remove(at: same) } else { new.append(package) }
        }
        for architecture in Set(old.map(\.architecture)) {
            let (earlier, later) = (
                old.filter { $0.architecture == architecture }, new.filter { $0.architecture == architecture }
            )
            guard earlier.count == 1, later.count == 1 else { continue }
            changed.append(Change(before: earlier[0], after: later[0]))
            old.removeAll { $0.architecture == architecture }
            new.removeAll { $0.architecture == architecture }
        }
        if old.count == 1, new.count == 1, old[0].architecture != new[0].architecture {
            changed.append(Change(before: old[0], after: new[0]))
        } else {
            removed += old
            added += new
        }
    }

    private static func precedes(_ a: Manifest.Package, _ b: Manifest.Package) -> Bool {
        (a.name, a.architecture, a.version) < (b.name, b.architecture, b.version)
    }
}
