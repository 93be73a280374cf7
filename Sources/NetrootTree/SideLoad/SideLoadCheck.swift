import NetrootSystem

/// Looks at side-loads beside the image that they are appended to.
public struct SideLoadCheck: Sendable {
    private let target: SideLoadTarget
    private let image: String
    private let paths: [String]

    /// - Parameters:
    ///   - target: where the image is.
    ///   - image: what messages call it.
    ///   - sideLoads: their paths, in the order in which they are appended.
    public init(_ target: SideLoadTarget, image: String, sideLoads: [String]) {
        self.target = target
        self.image = image
        paths = sideLoads
    }

    /// Reads everything, and lays the side-loads over the image's root in memory.
    /// - Throws: `SystemError`, `SquashfsReadError`, `FileListingError`, `CancellationError`. What speaks against a side-load,
    ///   or says that the image is cut, is in the report.
    public func run() async throws -> SideLoadReport {
        let base = try await SideLoadImage(target)
        var report = SideLoadReport(image: image, layout: base.kind.rawValue, sideLoads: paths)
        for problem in base.problems { report.refuse(image, nil, problem) }
        var laying = SideLoadLaying(base.rootfs, of: base.kind, report: report)
        for entry in base.appended { take(entry, of: image, &laying) }
        var open = base.endsInOpenFrame ? [image] : []
        for (index, path) in paths.enumerated() {
            let file = try await SideLoadFile(path)
            if file.endsInOpenFrame, index + 1 < paths.count { open.append(path) }
            if let problem = file.problem { laying.report.refuse(path, nil, problem) }
            for entry in file.entries { take(entry, of: path, &laying) }
        }
        for path in open {
            laying.report.notes.append(
                "\(path) ends in lz4 data, and the kernel takes what follows at once for more of it: netroot sideload join puts "
                    + "zero bytes between them, cat and boot loaders do not")
        }
        let isKnown = (base.kind.rootIsRootfs || base.root != nil) && base.problems.isEmpty
        var root = base.root ?? (base.kind.rootIsRootfs ? laying.rootfs : RootModel())
        laying.lay(over: &root, isKnown: isKnown)
        report = laying.report
        judgeLogins(laying.accounts?.text ?? base.accounts, root, &report)
        note(base, laying, isKnown: isKnown, &report)
        return report
    }

    private func take(_ entry: SideLoadEntry, of file: String, _ laying: inout SideLoadLaying) {
        laying.unpack(entry, of: file)
        let place = SideLoad.rootPath(of: entry.path) ?? entry.path
        for reason in SideLoadRules.reasons(against: entry, at: place) {
            laying.report.refuse(file, entry.path, reason)
        }
    }

    /// Only what a side-load touches: the image's own faults are no business of its.
    private func judgeLogins(_ passwd: [UInt8]?, _ root: RootModel, _ report: inout SideLoadReport) {
        let touched = Dictionary(
            report.changes.filter { $0.action != .deleted && $0.action != .kept }.map { ($0.path, $0.sideLoad) },
            uniquingKeysWith: { $1 })
        for account in SideLoadRules.accounts(passwd) {
            for (path, reason) in SideLoadRules.strictModes(account, root) {
                let keys = account.home + Array("/.ssh/authorized_keys".utf8)
                let places = [path, root.resolved(keys) ?? keys].map { "/" + TerminalText.reversible($0) }
                guard let file = places.compactMap({ touched[$0] }).first else { continue }
                report.refuse(file, [RootModel.slash] + path, reason)
            }
        }
    }

    private func note(
        _ base: SideLoadImage, _ laying: SideLoadLaying, isKnown: Bool, _ report: inout SideLoadReport
    ) {
        if laying.unreached > 0 {
            report.notes.append(
                "\(laying.unreached) names outside of \(SideLoad.overlay)/ stay in the initramfs, and do not reach the root"
            )
        }
        if base.kind == .other {
            report.notes.append(
                "\(image) is neither a rescue archive nor an initramfs of dracut: nothing may lay \(SideLoad.overlay)/ over "
                    + "its root")
        } else if !isKnown, base.problems.isEmpty {
            report.notes.append(
                "the root is not in \(image): name the generation or the label to see what is added and what is replaced"
            )
        }
    }
}
