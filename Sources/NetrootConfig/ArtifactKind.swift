/// What one file or tree is that a build makes. The raw value is the word that manifests and messages have for it.
public enum ArtifactKind: String, Sendable, Codable, CaseIterable {
    /// The root as a directory.
    case tree
    /// The root as a squashfs image.
    case squashfs
    /// The kernel that the root's modules belong to.
    case kernel
    /// The initramfs that the root's own dracut made for the kernel.
    case initramfs
    /// One archive that holds the whole root, for the kernel to unpack into RAM.
    case rescue

    /// The word of `FORMAT` that makes it; nil where every build does.
    public var format: Label.Format? {
        switch self {
        case .tree: .tree
        case .squashfs: .squashfs
        case .rescue: .initramfs
        case .kernel, .initramfs: nil
        }
    }
}
