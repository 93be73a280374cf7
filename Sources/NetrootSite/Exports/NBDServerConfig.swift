public import NetrootEntry

/// A configuration of nbd-server (nbd-server(5)): one read-only export a generation.
public struct NBDServerConfig: Sendable, Equatable {
    /// An image that is offered.
    public struct Export: Sendable, Equatable {
        /// The name that clients ask for.
        public var name: String
        /// The image's path.
        public var image: String

        /// The values as they are named.
        public init(name: String, image: String) {
            self.name = name
            self.image = image
        }
    }

    /// Where the server listens; nil for a part that an installed server includes, which has its own.
    public var listen: (address: String, port: Int)?
    /// The images.
    public var exports: [Export]
    /// The file that names the addresses that may connect; nil: everybody.
    public var authFile: String?

    /// The values as they are named; nothing is checked yet.
    public init(listen: (address: String, port: Int)?, exports: [Export], authFile: String? = nil) {
        self.listen = listen
        self.exports = exports
        self.authFile = authFile
    }

    /// The file's text (GLib's key files: a value ends with the line).
    /// - Throws: `SharedConfigError.badValue`.
    public func rendered() throws(SharedConfigError) -> String {
        var text = "# Written by netroot, which will write it again.\n"
        if let listen {
            // Names are all that a client can ask for: nothing is listed, nothing is by number.
            text += "[generic]\nlistenaddr = \(listen.address)\nport = \(listen.port)\nallowlist = false\n"
        }
        for export in exports {
            let isPlain = !export.image.contains { $0.isNewline } && export.image.utf8.allSatisfy { $0 >= 0x20 }
            guard isPlain, export.image.hasPrefix("/"), !export.image.contains("\\") else {
                throw .badValue(file: "nbd-server's configuration", what: "path", value: export.image)
            }
            text += "[\(export.name)]\nexportname = \(export.image)\nreadonly = true\n"
            if let authFile { text += "authfile = \(authFile)\n" }
        }
        return text
    }

    /// Whether two configurations are the same.
    public static func == (one: NBDServerConfig, other: NBDServerConfig) -> Bool {
        one.listen?.address == other.listen?.address && one.listen?.port == other.listen?.port
            && one.exports == other.exports && one.authFile == other.authFile
    }
}
