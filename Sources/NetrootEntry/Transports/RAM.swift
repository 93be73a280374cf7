public import NetrootConfig

/// RAM: the boot loader brings the whole root, and nothing comes over the network afterwards.
public struct RAM: Transport {
    /// Nobody serves the root.
    public static let noServer = TransportServer("none", serves: [.rescue])

    public init() {}

    public let name = TransportName.ram
    /// It has an initramfs of its own, which no dracut makes.
    public let needs = TransportNeeds(programs: [], dracutModules: [], kernelModules: [])
    public let servers = [noServer]
    public let loads = ArtifactKind.rescue
    public let needsServerWhileRunning = false

    public func root(of offer: RootOffer) -> any BootRoot { RAMRoot() }
}

/// A root that is in the archive beside the kernel.
public struct RAMRoot: BootRoot, Equatable {
    public init() {}

    public let needsNetwork = false

    /// The archive's own init knows where its root is.
    public func arguments(for client: RootClient) throws(KernelCommandLineError) -> [String] { [] }
}
