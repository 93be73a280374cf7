import NetrootImage
import NetrootSystem
import NetrootTree

/// The words of `diff`.
enum DiffReport {
    static func text(_ row: DiffRow) -> String {
        let (packages, files, bytes) = (row.packages, row.files, row.bytes)
        var lines = packages.added.map { "+ \(name($0, packages)) \($0.version)" }
        lines += packages.removed.map { "- \(name($0, packages)) \($0.version)" }
        lines += packages.changed.map { changed($0, packages) }
        lines += files.added.map { "+ \($0.path)\(what($0))" }
        lines += files.removed.map { "- \($0.path)\(what($0))" }
        lines += files.changed.map(changed)
        lines.append(
            "\(row.label): generation \(row.before.generation) (\(row.before.read)) -> "
                + "\(row.after.generation) (\(row.after.read))")
        if row.before.kernel != row.after.kernel { lines.append("kernel \(row.before.kernel) -> \(row.after.kernel)") }
        lines.append("packages: \(counts(packages.added.count, packages.removed.count, packages.changed.count))")
        lines.append("files: \(counts(files.added.count, files.removed.count, files.changed.count))")
        lines.append("bytes: \(bytes.before) -> \(bytes.after), \(signed(bytes.difference))")
        if bytes.imageBefore != nil || bytes.imageAfter != nil {
            let sizes = [bytes.imageBefore, bytes.imageAfter].map { $0.map(String.init) ?? "none" }
            let difference = bytes.imageDifference.map { ", \(signed($0))" } ?? ""
            lines.append("image bytes: \(sizes.joined(separator: " -> "))\(difference)")
        }
        return lines.map(TerminalText.line).joined(separator: "\n") + "\n"
    }

    private static func name(_ package: DiffRow.Package, _ packages: DiffRow.Packages) -> String {
        packages.ambiguous.contains(package.name) ? "\(package.name):\(package.architecture)" : package.name
    }

    private static func changed(_ change: DiffRow.ChangedPackage, _ packages: DiffRow.Packages) -> String {
        let (before, after) = (change.before, change.after)
        var parts: [String] = []
        if before.version != after.version { parts.append("\(before.version) -> \(after.version)") }
        if before.architecture != after.architecture { parts.append("\(before.architecture) -> \(after.architecture)") }
        return "~ \(name(before, packages)) \(parts.joined(separator: ", "))"
    }

    /// Of a file that is in one of the two only.
    private static func what(_ file: ChangedFiles.File) -> String {
        if file.type == "file" { return " \(file.bytes) bytes" }
        if let target = file.target { return " -> \(target)" }
        return file.type == "directory" ? "/" : " \(file.type)" + (file.device.map { " \($0)" } ?? "")
    }

    private static func changed(_ change: ChangedFiles.Change) -> String {
        let (before, after) = (change.before, change.after)
        var facts = change.changes.map { aspect in
            switch aspect {
            case .content: "content"
            case .type: "type \(before.type) -> \(after.type)"
            case .mode: "mode \(before.mode) -> \(after.mode)"
            case .owner: "owner \(before.uid):\(before.gid) -> \(after.uid):\(after.gid)"
            case .target: "target \(before.target ?? "") -> \(after.target ?? "")"
            case .device: "device \(before.device ?? "") -> \(after.device ?? "")"
            case .xattrs: "xattrs \(change.xattrs.joined(separator: " "))"
            }
        }
        if change.bytes != 0 { facts.append("\(signed(change.bytes)) bytes") }
        return "~ \(change.path) \(facts.joined(separator: ", "))"
    }

    private static func counts(_ added: Int, _ removed: Int, _ changed: Int) -> String {
        "\(added) added, \(removed) removed, \(changed) changed"
    }

    private static func signed(_ bytes: Int64) -> String { bytes > 0 ? "+\(bytes)" : "\(bytes)" }
}
