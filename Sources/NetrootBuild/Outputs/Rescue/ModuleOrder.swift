/// In which order modules of a kernel are inserted: what another needs comes before it.
struct ModuleOrder: Sendable {
    /// The paths that each module needs, and its own path, by its name with `_` for `-`; from `lib/modules/VERSION`.
    private var files: [String: (path: String, needs: [String])] = [:]
    private var builtin: Set<String> = []

    /// - Parameters:
    ///   - dependencies: the text of `modules.dep` (modules.dep(5)).
    ///   - builtin: the text of `modules.builtin`.
    init(dependencies: String, builtin: String) {
        for line in dependencies.split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard let path = parts.first else { continue }
            let needs = parts.count > 1 ? parts[1].split(separator: " ").map(String.init) : []
            files[Self.name(path)] = (String(path), needs)
        }
        self.builtin = Set(builtin.split(separator: "\n").map { Self.name($0) })
    }

    /// The files to insert, each once.
    /// - Parameter names: with `_` for `-`; what is built into the kernel needs no file.
    /// - Throws: `BuildError.kernelLacks`.
    func order(of names: [String]) throws(BuildError) -> [String] {
        var order: [String] = []
        for name in names { try add(name, to: &order, above: []) }
        return order
    }

    private func add(_ name: String, to order: inout [String], above: Set<String>) throws(BuildError) {
        if builtin.contains(name) { return }
        guard let file = files[name] else { throw .kernelLacks(module: name) }
        guard !order.contains(file.path), !above.contains(name) else { return }
        // The last one needs none of the others.
        for need in file.needs.reversed() { try add(Self.name(need), to: &order, above: above.union([name])) }
        order.append(file.path)
    }

    /// As modprobe(8) names a module, by the path of its file.
    private static func name(_ path: some StringProtocol) -> String {
        let file = path.split(separator: "/").last ?? ""
        let name = file.firstRange(of: ".ko").map { file[..<$0.lowerBound] } ?? file[...]
        return String(name.map { $0 == "-" ? "_" : $0 })
    }
}
