public import NetrootConfig

/// HTTP: the whole image into the client's RAM.
public struct HTTP: Transport {
    public init() {}

    public let name = TransportName(rawValue: "http")
    public let needs = TransportNeeds(
        programs: [.init("curl", "curl")],
        dracutModules: [
            .init("livenet", "dracut-live", [.suse: "dracut", .pacman: "dracut"]),
            .init("dmsquash-live", "dracut-live", [.suse: "dracut", .pacman: "dracut"]),
        ],
        kernelModules: ["loop", "squashfs"],
        ours: ["*/netroot-http.sh", "*/hooks/netroot/*http-ram.sh", "*/hooks/mount/*http-mount.sh"])
    public let servers = [TransportServer("nginx", serves: [.squashfs])]
    public let needsServerWhileRunning = false
    public let overHTTP: ArtifactKind? = .squashfs

    /// nginx takes `$` for the beginning of a variable wherever it stands.
    public func objection(to netroot: String) -> String? { Self.objection(toPath: netroot) }

    /// Why nginx cannot serve a directory: what follows its name in a sentence; nil where it can.
    static func objection(toPath path: String) -> String? {
        path.unicodeScalars.first { $0.value < 0x20 || $0.value == 0x7F || $0 == "$" }
            .map { PathObjection.holds($0, "nginx cannot have in a path") }
    }

    public func root(of offer: RootOffer) -> any BootRoot { HTTPRoot(url: offer.imageURL, bytes: offer.imageBytes) }
}

/// A squashfs image that a client fetches as a whole.
public struct HTTPRoot: BootRoot, Equatable {
    /// Its URL: `http://…`, without blanks.
    public let url: String
    /// Its size in bytes, so that a client can tell before it fetches whether its RAM will do.
    public let bytes: Int64

    /// The values as they are named; nothing is checked yet.
    public init(url: String, bytes: Int64) {
        self.url = url
        self.bytes = bytes
    }

    /// `root=live:http://…` (dracut.cmdline(7), the livenet module).
    public func arguments(for client: RootClient) throws(KernelCommandLineError) -> [String] {
        let place = url.dropFirst("http://".count)
        guard url.hasPrefix("http://"), !place.isEmpty, url.utf8.allSatisfy({ (0x21...0x7E).contains($0) }),
            !url.contains(where: { ",\"'\\".contains($0) })
        else { throw .badValue("the image's URL", url) }
        return ["root=live:\(url)", "rd.netroot.image=\(bytes)"]
    }
}
