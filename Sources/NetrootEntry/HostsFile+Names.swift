public import NetrootConfig

extension HostsFile {
    /// Reads and checks a hosts file, and what boot loaders and transports make of its names and paths: an error now, and not
    /// when a root was built for an hour.
    ///
    /// - Parameters:
    ///   - bytes: the file's content.
    ///   - path: the file's absolute path.
    ///   - transports: those that there are. Of each label those count that it asks for.
    /// - Throws: `ConfigError` with the line of the mistake.
    public init(bytes: [UInt8], path: String, transports: Transports) throws(ConfigError) {
        try self.init(bytes: bytes, path: path, transports: transports.names)
        try checkNames(transports)
    }

    private func checkNames(_ transports: Transports) throws(ConfigError) {
        var known: [String: Label] = [:]
        for label in labels {
            if let reserved = IPXEScript.reservedNames.first(where: { $0 == label.name }) {
                throw ConfigError(
                    file: path, line: label.line,
                    problem: "the label '\(label.name)' has the name of \(reserved) in iPXE's menu",
                    hint: "rename it")
            }
            if let objection = HTTP.objection(toPath: label.tftpboot) {
                throw ConfigError(
                    file: path, line: label.tftpbootLine, problem: "TFTPBOOT: \(label.tftpboot) \(objection)",
                    hint: "take another directory")
            }
            for transport in transports.known where label.transports.contains(transport.name) {
                try check(label, by: transport, &known)
            }
        }
    }

    private func check(
        _ label: Label, by transport: any Transport, _ known: inout [String: Label]
    ) throws(ConfigError) {
        // The NETROOT is not on the command line of a label that says itself where its root is.
        let isNamed = !transport.putsPathOnCommandLine || !LabelArguments(label.extraCommandLine).giveRoot
        if isNamed, let objection = transport.objection(to: label.netroot) {
            throw ConfigError(
                file: path, line: label.netrootLine,
                problem: "NETROOT: \(label.netroot) of label '\(label.name)' \(objection)",
                hint: "take another directory, or leave \(transport.name) out of TRANSPORTS")
        }
        if let bytes = Self.excess(of: label, by: transport) {
            throw ConfigError(
                file: path, line: label.netrootLine,
                problem: "the kernel command line of label '\(label.name)' has \(bytes) bytes by \(transport.name), "
                    + "\(KernelCommandLine.limit) is the most",
                hint: "shorten NETROOT or EXTRA_CMDLINE")
        }
        guard let name = transport.exportName(label.name, 1) else { return }
        if let other = known.updateValue(label, forKey: "\(transport.name) \(name)") {
            throw ConfigError(
                file: path, line: label.line,
                problem: "the labels '\(other.name)' in line \(other.line) and '\(label.name)' have the same name "
                    + "by \(transport.name), \(name)",
                hint: "rename one of them, or leave \(transport.name) out of its TRANSPORTS")
        }
    }

    /// The bytes of a label's kernel command line where it cannot but be too long, with the shortest address of a server;
    /// nil where it may do. What else is wrong with it, the install says.
    private static func excess(of label: Label, by transport: any Transport) -> Int? {
        let root = transport.root(
            of: RootOffer(
                label: label.name, generation: 1, path: "\(label.netroot)/generations/1/root", imageBytes: 1,
                address: "1.1.1.1", server: transport.servers[0], port: nil, imageURL: "http://1.1.1.1/x"))
        let commandLine = KernelCommandLine(
            root: root, address: .dhcp, rw: label.rw, overlaySize: label.overlaySize,
            containerStorage: label.containerStorage, stableMachineID: label.machineID == .stable, debug: label.debug,
            extra: label.extraCommandLine)
        do throws(KernelCommandLineError) {
            _ = try commandLine.arguments()
            return nil
        } catch {
            guard case .tooLong(let bytes, _) = error else { return nil }
            return bytes
        }
    }
}

/// The words of what keeps a path out of a configuration.
enum PathObjection {
    /// - Parameter who: who cannot hold the character, as the end of a sentence.
    static func holds(_ scalar: Unicode.Scalar, _ who: String) -> String {
        let what =
            switch scalar {
            case " ": "a blank"
            case "\t": "a tab"
            case ",": "a comma"
            case ":": "a colon"
            case _ where scalar.value < 0x20 || scalar.value == 0x7F: "a control character"
            default: "'\(scalar)'"
            }
        return "has \(what), which \(who)"
    }
}
