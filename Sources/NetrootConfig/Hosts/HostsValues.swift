/// The entries that hold for one label, and the checks that turn each into a value.
struct HostsValues {
    /// The hosts file, for errors.
    let file: String
    /// What `${base}` means.
    let base: String
    /// What `${label}` means.
    let label: String
    /// The names that `TRANSPORTS` may have; the first is what a label has that names none.
    let knownTransports: [TransportName]
    let entries: [HostsKey: HostsEntry]

    /// The label, with the documented defaults for what no entry says.
    func label(line: Int) throws(ConfigError) -> Label {
        guard entries[.recipe] != nil else {
            throw ConfigError(
                file: file, line: line, problem: "[\(label)] has no RECIPE",
                hint: "add RECIPE = recipes/NAME.def")
        }
        // In the order of the lines, so that of several mistakes the first is the one that is told.
        try checkAll()
        return Label(
            name: label, line: line,
            netroot: try path(.netroot, default: "${base}/netroots/${label}"),
            netrootLine: entries[.netroot]?.line ?? line,
            recipe: try path(.recipe, default: ""),
            tftpboot: try path(.tftpboot, default: "${base}/tftpboot"),
            tftpbootLine: entries[.tftpboot]?.line ?? line,
            formats: try formats(), transports: try transports(), compression: try compression(),
            blockSize: try blockSize(), cacheSize: try cacheSize(), rw: try readWrite(), debug: try boolean(.debug),
            extraQEMU: try words(.extraQEMU), extraCommandLine: try words(.extraCommandLine),
            vmMemory: try memory(), overlaySize: try tmpfsSize(.overlaySize) ?? "50%",
            containerStorage: try containerStorage(), machineID: try machineID(), keepClients: try keepClients(),
            keepsPackageCaches: try boolean(.keepPackageCaches), kernel: try kernel(), allowSecrets: try allowSecrets(),
            initramfsLayout: try initramfsLayout(), removeFiles: try removedFiles(),
            kernelModules: try kernelModules(), maxSize: try bytes(.maxSize), maxRAM: try bytes(.maxRAM),
            rootPasswordFile: entries[.rootPasswordFile] == nil ? nil : try path(.rootPasswordFile, default: ""))
    }

    /// Checks every entry there is, and asks for none.
    func checkAll() throws(ConfigError) {
        for key in entries.keys.sorted(by: { (entries[$0]?.line ?? 0) < (entries[$1]?.line ?? 0) }) {
            switch key {
            case .netroot, .recipe, .tftpboot, .rootPasswordFile: _ = try path(key, default: "")
            case .format: _ = try formats()
            case .transports: _ = try transports()
            case .compression: _ = try compression()
            case .blockSize: _ = try blockSize()
            case .cacheSize: _ = try cacheSize()
            case .rw: _ = try readWrite()
            case .debug, .keepPackageCaches: _ = try boolean(key)
            case .extraQEMU, .extraCommandLine: _ = try words(key)
            case .vmMemory: _ = try memory()
            case .overlaySize: _ = try tmpfsSize(key)
            case .containerStorage: _ = try containerStorage()
            case .machineID: _ = try machineID()
            case .keepClients: _ = try keepClients()
            case .kernel: _ = try kernel()
            case .allowSecrets: _ = try allowSecrets()
            case .initramfsLayout: _ = try initramfsLayout()
            case .removeFiles: _ = try removedFiles()
            case .kernelModules: _ = try kernelModules()
            case .maxSize, .maxRAM: _ = try bytes(key)
            }
        }
    }

    /// An error at a key's line, in the words "KEY: problem".
    func error(_ key: HostsKey, _ problem: String, _ hint: String? = nil) -> ConfigError {
        // A comment behind a value is part of the value; whoever wrote one gets told, whatever else is wrong.
        let value = entries[key]?.value ?? ""
        let comment = value.contains(" #") || value.contains(" ;") ? "a comment needs a line of its own" : nil
        return ConfigError(
            file: file, line: entries[key]?.line, problem: "\(key.rawValue): \(problem)",
            hint: [hint, comment].compactMap { $0 }.joined(separator: "; ").nilIfEmpty)
    }

    /// The key's value, or nil where no entry sets it; an empty value is an error.
    func text(_ key: HostsKey) throws(ConfigError) -> String? {
        guard let entry = entries[key] else { return nil }
        let value = try expand(entry.value, key)
        guard !value.isEmpty else { throw error(key, "has no value", "give one or remove the line") }
        return value
    }

    private func expand(_ text: String, _ key: HostsKey) throws(ConfigError) -> String {
        var result = ""
        var rest = text[...]
        while let start = rest.firstRange(of: "${") {
            result += rest[..<start.lowerBound]
            rest = rest[start.upperBound...]
            guard let close = rest.firstIndex(of: "}") else { throw error(key, "'${' without '}'") }
            let name = String(rest[..<close])
            switch name {
            case "base": result += base
            case "label": result += label
            default: throw error(key, "unknown variable '${\(name)}'", "there are ${base} and ${label}")
            }
            rest = rest[rest.index(after: close)...]
        }
        return result + rest
    }

    private func path(_ key: HostsKey, default fallback: String) throws(ConfigError) -> String {
        let value: String
        if let given = try text(key) { value = given } else { value = try expand(fallback, key) }
        if value.hasPrefix("~") {
            throw error(key, "'~' is not expanded in '\(value)'", "give the whole path, or one below ${base}")
        }
        return normalisedPath(value, relativeTo: base)
    }

    private func formats() throws(ConfigError) -> [Label.Format] {
        guard let value = try text(.format) else { return [.tree] }
        let known = Label.Format.allCases.map(\.rawValue)
        return try names(.format, "format", in: value, known: known, planned: ["uki", "iso"])
            .compactMap { Label.Format(rawValue: $0) }
    }

    private func transports() throws(ConfigError) -> [TransportName] {
        guard let value = try text(.transports) else {
            // An archive alone is booted from RAM.
            let ram = knownTransports.filter { $0 == .ram }
            return try formats() == [.initramfs] && !ram.isEmpty ? ram : Array(knownTransports.prefix(1))
        }
        return try names(.transports, "transport", in: value, known: knownTransports.map(\.rawValue), planned: [])
            .map { TransportName(rawValue: $0) }
    }

    /// Names, divided by blanks or commas: at least one, none twice, in lower case.
    /// - Parameters:
    ///   - noun: what each of them names.
    ///   - known: the names that there are; the first is what to write when in doubt.
    ///   - planned: names that a later netroot will know.
    private func names(
        _ key: HostsKey, _ noun: String, in value: String, known: [String], planned: [String]
    ) throws(ConfigError) -> [String] {
        let choice = known.count == 2 ? known.joined(separator: " or ") : known.joined(separator: ", ")
        var names: [String] = []
        for word in value.split(whereSeparator: { $0.isWhitespace || $0 == "," }) {
            let name = word.lowercased()
            guard known.contains(name) else {
                if planned.contains(name) { throw error(key, "'\(word)' is not supported yet", "use \(choice)") }
                let nearest = nearestName(to: String(word), among: known + planned)
                throw error(
                    key, "unknown \(noun) '\(word)'", nearest.map { "did you mean '\($0)'?" } ?? "use \(choice)")
            }
            if names.contains(name) { throw error(key, "'\(word)' is named twice", "remove one") }
            names.append(name)
        }
        guard !names.isEmpty else { throw error(key, "names no \(noun)", "write \(known.first ?? "one")") }
        return names
    }

    private func compression() throws(ConfigError) -> BlockCompression {
        guard let value = try text(.compression) else { return .standard }
        do {
            return try BlockCompression(parsing: value)
        } catch { throw self.error(.compression, error.problem, error.hint) }
    }

    private func blockSize() throws(ConfigError) -> BlockSize {
        guard let value = try text(.blockSize) else { return .standard }
        do {
            return try BlockSize(parsing: value)
        } catch { throw self.error(.blockSize, error.problem, error.hint) }
    }

    /// Bytes; 0 keeps no cache.
    private func cacheSize() throws(ConfigError) -> Int64 {
        guard let value = try text(.cacheSize) else { return 2 << 30 }
        guard let bytes = byteCount(value) else {
            throw error(.cacheSize, "'\(value)' is not a size", "write 2g, 512m, or 0 for no cache")
        }
        return bytes
    }

    /// Bytes, at least 1 MiB; nil where no entry sets it.
    private func bytes(_ key: HostsKey) throws(ConfigError) -> Int64? {
        guard let value = try text(key) else { return nil }
        guard let bytes = byteCount(value), bytes >= 1 << 20 else {
            throw error(key, "'\(value)' is not a size from 1m", "write 100m for 100 MiB, or 2g")
        }
        return bytes
    }

    private func initramfsLayout() throws(ConfigError) -> Label.InitramfsLayout {
        guard let value = try text(.initramfsLayout) else { return .squashfs }
        let known = Label.InitramfsLayout.allCases.map(\.rawValue)
        guard let layout = Label.InitramfsLayout(rawValue: value.lowercased()) else {
            throw error(
                .initramfsLayout, "unknown layout '\(value)'",
                nearestName(to: value, among: known).map { "did you mean '\($0)'?" }
                    ?? "use \(known.joined(separator: " or "))")
        }
        return layout
    }

    private func boolean(_ key: HostsKey) throws(ConfigError) -> Bool {
        guard let value = try text(key) else { return false }
        switch value.lowercased() {
        case "y", "yes", "1", "true": return true
        case "n", "no", "0", "false": return false
        default: throw error(key, "'\(value)' is neither yes nor no", "write Y or N")
        }
    }

    private func readWrite() throws(ConfigError) -> Bool {
        guard try boolean(.rw) else { return false }
        if Label.makesArchive(try formats(), try transports()) {
            let why = try formats().contains(.initramfs) ? "FORMAT = initramfs" : "the transport ram"
            throw error(
                .rw, "a root in RAM (\(why)) is always writable, and nothing of it is kept",
                "remove one of the two")
        }
        return true
    }

    private func words(_ key: HostsKey) throws(ConfigError) -> [String] { try placedWords(key).map(\.text) }

    /// The words of a value, each with its line.
    func placedWords(_ key: HostsKey) throws(ConfigError) -> [Label.Words.Word] {
        guard let entry = entries[key] else { return [] }
        let split: [ShellWord]
        do {
            split = try placedShellWords(entry.value)
        } catch {
            switch error {
            case .unbalancedQuote(let quote):
                throw self.error(key, "a \(quote) has no partner", "close the quote, or put a backslash before it")
            case .trailingBackslash:
                throw self.error(key, "ends with a backslash", "an indented line goes on without one")
            }
        }
        // Expanded after the split: a blank in the base directory's path must not make two arguments of one.
        var words: [Label.Words.Word] = []
        for word in split { words.append(.init(text: try expand(word.text, key), line: entry.line(at: word.offset))) }
        return words
    }

    /// MiB; 128 is less than any system of ours boots in, 16 TiB more than QEMU takes.
    private func memory() throws(ConfigError) -> Int {
        guard let value = try text(.vmMemory) else { return 2048 }
        let range = 128...16_777_216
        guard value.utf8.allSatisfy(\.isASCIIDigit), let number = Int(value), range.contains(number) else {
            throw error(
                .vmMemory, "'\(value)' is not a number of MiB from \(range.lowerBound) to \(range.upperBound)",
                "write 2048 for 2 GiB")
        }
        return number
    }

    /// tmpfs(5), `size=`: bytes with an optional suffix k, m or g, or a percentage of the RAM; nil where no entry sets it.
    private func tmpfsSize(_ key: HostsKey, or word: String? = nil) throws(ConfigError) -> String? {
        guard let value = try text(key)?.lowercased() else { return nil }
        if value == word { return value }
        let bad = error(
            key, "'\(value)' is not a size for a tmpfs",
            "write a percentage of the RAM from 1% to 100%, or a size from 1m such as 512m or 2g"
                + (word.map { ", or \($0)" } ?? ""))
        let digits = value.utf8.prefix(while: \.isASCIIDigit)
        guard !digits.isEmpty, let number = Int(String(Substring(digits))) else { throw bad }
        let unit: Int
        switch String(value.dropFirst(digits.count)) {
        case "%":
            guard (1...100).contains(number) else { throw bad }
            return value
        case "": unit = 1
        case "k": unit = 1 << 10
        case "m": unit = 1 << 20
        case "g": unit = 1 << 30
        default: throw bad
        }
        // The kernel takes 0 as "no limit", and anything below a page as a page: neither is ever meant.
        let (bytes, overflow) = number.multipliedReportingOverflow(by: unit)
        guard !overflow, bytes >= 1 << 20 else { throw bad }
        return value
    }

    private func kernel() throws(ConfigError) -> KernelPattern? {
        guard let value = try text(.kernel) else { return nil }
        do {
            return try KernelPattern(parsing: value)
        } catch { throw self.error(.kernel, error.problem, error.hint) }
    }

    private func containerStorage() throws(ConfigError) -> String? { try tmpfsSize(.containerStorage, or: "none") }

    /// Days.
    private func keepClients() throws(ConfigError) -> Int {
        guard let value = try text(.keepClients) else { return Label.standardKeepClients }
        guard value.utf8.allSatisfy(\.isASCIIDigit), let days = Int(value), Label.keepClientsRange.contains(days) else {
            throw error(
                .keepClients,
                "'\(value)' is not a number of days up to \(Label.keepClientsRange.upperBound)",
                "write 30, or 0 for gc to remove what clients may still run")
        }
        return days
    }

    private func allowSecrets() throws(ConfigError) -> [String] {
        guard try text(.allowSecrets) != nil else { return [] }
        let paths = try words(.allowSecrets)
        for path in paths {
            guard path.hasPrefix("/") else {
                throw error(
                    .allowSecrets, "'\(path)' is not an absolute path in the root",
                    "write /\(path), with blanks between several")
            }
            guard path.contains(where: { $0 != "/" && $0 != "*" }) else {
                throw error(.allowSecrets, "'\(path)' allows every file", "name the files, or their directory")
            }
        }
        return paths
    }

    private func machineID() throws(ConfigError) -> Label.MachineID {
        guard let value = try text(.machineID) else { return .random }
        guard let kind = Label.MachineID(rawValue: value.lowercased()) else {
            let known = Label.MachineID.allCases.map(\.rawValue)
            throw error(
                .machineID, "unknown machine ID '\(value)'",
                nearestName(to: value, among: known).map { "did you mean '\($0)'?" }
                    ?? "use \(known.joined(separator: " or "))")
        }
        // Such a root keeps the ID of its first boot, and its initramfs writes nothing into it.
        if kind == .stable, try boolean(.rw) {
            throw error(
                .machineID, "'stable' needs the overlay, which a label with RW = Y does not have",
                "remove one of the two")
        }
        return kind
    }
}

extension String {
    fileprivate var nilIfEmpty: String? { isEmpty ? nil : self }
}
