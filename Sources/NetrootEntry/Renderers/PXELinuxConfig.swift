/// The text of `pxelinux.cfg/default`, in which netroot keeps a section an entry and leaves all else as it is.
///
/// The syntax is SYSLINUX's (<https://wiki.syslinux.org/wiki/index.php?title=Config>): a keyword in any case and its
/// value on each line, `#` comments; of several DEFAULT lines the last holds.
public struct PXELinuxConfig: Sendable, Equatable {
    /// Its path below the TFTP root.
    public static let file = "pxelinux.cfg/default"

    private let config: SharedConfig

    /// Reads a configuration; an empty one stands for a file that does not exist.
    ///
    /// - Throws: `SharedConfigError.brokenMarkers`.
    public init(bytes: [UInt8] = []) throws(SharedConfigError) {
        config = try SharedConfig(bytes: bytes, file: Self.file)
    }

    private init(_ config: SharedConfig) { self.config = config }

    /// The file's content.
    public var bytes: [UInt8] { config.bytes }

    /// The entries that netroot keeps, in the file's order.
    public var names: [String] { config.names }

    /// The path after KERNEL in an entry's section, relative to the TFTP root; nil where there is no section.
    public func kernelPath(of name: String) -> String? { value(of: "kernel", in: name) }

    /// The paths after INITRD in an entry's section, relative to the TFTP root.
    public func initrdPaths(of name: String) -> [String] {
        value(of: "initrd", in: name)?.split(separator: ",").map(String.init) ?? []
    }

    private func value(of keyword: String, in name: String) -> String? {
        config.section(name).lazy.compactMap { Directive($0) }.first { $0.keyword == keyword }?.value
    }

    /// The entry that boots by itself, whoever wrote it.
    public var defaultName: String? { defaultLine.flatMap { Directive(config.lines[$0])?.value } }

    /// The configuration with an entry put in the place of its section, or at the end.
    ///
    /// - Parameter makeDefault: the entry becomes the one that boots by itself. A fresh file boots its first in any case.
    /// - Throws: `SharedConfigError`.
    public func replacing(_ entry: BootEntry, makeDefault: Bool = true) throws(SharedConfigError) -> PXELinuxConfig {
        let body = try Self.lines(of: entry)
        if let line = foreignLine(of: entry.name) {
            throw .foreignEntry(file: Self.file, entry: entry.name, line: line + 1)
        }
        var result = config
        if config.isBlank {
            result = try SharedConfig(bytes: [], file: Self.file).prepending(Self.freshLines(defaultName: entry.name))
        } else if makeDefault {
            if let line = defaultLine {
                // The line may be the right one in another spelling; then it stays as it is.
                if defaultName != entry.name {
                    result = try result.replacing(line: line, with: "DEFAULT \(entry.name)")
                }
            } else {
                result = try result.prepending(["DEFAULT \(entry.name)"])
            }
        }
        return PXELinuxConfig(try result.replacing(entry.name, with: body))
    }

    /// The configuration without an entry's section, and the same one where there is none.
    ///
    /// Where that entry was the default, the first that is left becomes it, or none.
    /// - Throws: `SharedConfigError`.
    public func removing(_ name: String) throws(SharedConfigError) -> PXELinuxConfig {
        guard let range = config.sections[name] else { return self }
        var result = config
        if defaultName == name, let line = defaultLine {
            let left = config.lines.indices.first {
                !range.contains($0) && Directive(config.lines[$0])?.keyword == "label"
            }
            let next = left.flatMap { Directive(config.lines[$0])?.value }
            result = try result.replacing(line: line, with: next.map { "DEFAULT \($0)" })
        }
        return PXELinuxConfig(try result.removing(name))
    }

    /// The last DEFAULT outside all sections.
    private var defaultLine: Int? {
        config.lines.indices.last { Directive(config.lines[$0])?.keyword == "default" && !config.isOwned($0) }
    }

    /// Where an entry of this name stands that netroot did not write.
    private func foreignLine(of name: String) -> Int? {
        config.lines.indices.first { line in
            guard let directive = Directive(config.lines[line]), directive.keyword == "label" else { return false }
            return directive.value == name && !config.isOwned(line)
        }
    }

    /// A keyword, in lower case, and its value.
    private struct Directive {
        let keyword: String
        let value: String

        /// Nil for a blank line and a comment.
        init?(_ line: ArraySlice<UInt8>) {
            let text = SharedConfig.trimmed(line)
            guard let first = text.first, first != UInt8(ascii: "#") else { return nil }
            let name = text.prefix { $0 > 0x20 }
            keyword = String(decoding: name, as: UTF8.self).lowercased()
            value = String(decoding: SharedConfig.trimmed(text[name.endIndex...]), as: UTF8.self)
        }
    }

    /// The lines of an entry's section.
    private static func lines(of entry: BootEntry) throws(SharedConfigError) -> [String] {
        let initrd = entry.initrds.joined(separator: ",")
        // PXELINUX puts these around the command line itself, and the kernel cuts off what is too much.
        let added = "BOOT_IMAGE=\(entry.kernel) initrd=\(initrd)  BOOTIF=01-00-00-00-00-00-00"
        let commandLine = try entry.checked(for: file, added: added)
        return ["LABEL \(entry.name)", "    MENU LABEL \(entry.title)", "    KERNEL \(entry.kernel)"]
            + (entry.initrds.isEmpty ? [] : ["    INITRD \(initrd)"])
            // BOOTIF=. The 0 holds against a SYSAPPEND for all entries.
            + [entry.addsBootCard ? "    SYSAPPEND 2" : "    SYSAPPEND 0", "    APPEND \(commandLine)"]
    }

    /// What a new file begins with.
    ///
    /// SERIAL has to be the first directive. It puts the boot prompt on the first serial port too, which is QEMU's
    /// console without a display, and does nothing on a machine without one. PROMPT 0 boots at once; whoever holds
    /// Shift gets the prompt and, after 30 seconds (TIMEOUT in tenths) without a key, the default after all.
    private static func freshLines(defaultName: String) -> [String] {
        [
            "# netroot keeps the sections between its marker comments; all other lines are yours.",
            "SERIAL 0 115200",
            "DEFAULT \(defaultName)",
            "PROMPT 0",
            "TIMEOUT 300",
        ]
    }
}
