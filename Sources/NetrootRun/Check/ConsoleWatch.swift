import Glibc
import NetrootEntry
import NetrootSystem
import SystemPackage

/// What the console of a booting machine tells: when the kernel started, and whether it can still come up.
struct ConsoleWatch: Sendable {
    /// The console's log, growing.
    let path: String
    private var offset: Int64 = 0
    private var partial: [UInt8] = []
    /// The last lines that were printed.
    private(set) var recent: [String] = []

    init(path: String) { self.path = path }

    /// What a new line of the console means.
    enum Sign: Sendable, Equatable {
        /// The kernel runs.
        case kernel
        /// The machine will not come up; why.
        case fatal(String)
        /// The machine will not come up as it should; the reason may follow.
        case suspicious(String)
    }

    /// Texts that no boot recovers from.
    static let fatalTexts = [
        "rootovl: FATAL:", "netroot: FATAL:", "Kernel panic - not syncing", "dracut: FATAL:", "FATAL: Kernel too old",
        "No bootable device", "Could not find kernel image", "Failed to load ldlinux.c32",
        "Could not mount root", "Cannot find init!", "Can't mount root filesystem", "Entering emergency mode",
        "PXE-E", "You are in emergency mode", "Could not boot.", "too little RAM: needs",
        "the archive is damaged or cut", "System is deadlocked on memory",
    ]
    /// The kernel boots on with what it could unpack. The init of a root in RAM says why it could not do more.
    static let suspiciousTexts = ["Initramfs unpacking failed"]

    /// Reads what was added since the last call.
    /// - Throws: `SystemError`.
    mutating func read() throws -> [Sign] {
        guard Files.exists(path) else { return [] }
        let chunk = try SystemError.wrap("read", path) {
            let file = try FileDescriptor.open(FilePath(path), .readOnly, options: [.closeOnExec])
            return try file.closeAfter {
                try [UInt8](unsafeUninitializedCapacity: 256 << 10) { buffer, count in
                    count = try file.read(
                        fromAbsoluteOffset: offset, into: UnsafeMutableRawBufferPointer(buffer))
                }
            }
        }
        offset += Int64(chunk.count)
        var signs: [Sign] = []
        for byte in chunk {
            guard byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") || partial.count > 4096 else {
                partial.append(byte)
                continue
            }
            let line = Self.plain(partial)
            partial = []
            if line.isEmpty { continue }
            recent = recent.suffix(40) + [line]
            if let sign = Self.sign(of: line) { signs.append(sign) }
        }
        return signs
    }

    /// What a line means, if anything.
    static func sign(of line: String) -> Sign? {
        if line.contains("Linux version ") { return .kernel }
        if fatalTexts.contains(where: line.contains) { return .fatal(line) }
        return suspiciousTexts.contains(where: line.contains) ? .suspicious(line) : nil
    }

    /// The text without the colours and movements of a terminal.
    static func plain(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        var escape = false
        for byte in bytes {
            if escape {
                if (0x40...0x7E).contains(byte), byte != UInt8(ascii: "[") { escape = false }
            } else if byte == 0x1B {
                escape = true
            } else if byte >= 0x20, byte != 0x7F {
                text.append(byte)
            }
        }
        return TerminalText.line(text)
    }

    /// The last line that hints at why a boot does not go on.
    var hint: String? {
        let signs = [
            "mount.nfs", "nfs:", "not responding", "failed", "Failed", "error", "timeout", "dracut", "systemd",
        ]
        return recent.last { line in signs.contains(where: line.contains) } ?? recent.last
    }
}
