import Synchronization

/// What readers of squashfs images keep of decompressed blocks. One cache may serve many images and threads: its limits
/// are for all of them together.
public final class SquashfsCache: Sendable {
    /// Data and fragment blocks, by their place in the image.
    let blocks: BoundedCache<[UInt8]>
    /// Metadata blocks, 8 KiB each.
    let metadata: BoundedCache<[UInt8]>
    /// Where the blocks of files are, by their inode's reference.
    let files: BoundedCache<SquashfsFile>
    private let lastImage = Mutex<UInt32>(0)

    /// - Parameters:
    ///   - blockBytes: limit for decompressed data.
    ///   - metadataBytes: limit for decompressed metadata, and again for the places of files' blocks.
    public init(blockBytes: Int = 32 << 20, metadataBytes: Int = 1 << 20) {
        blocks = BoundedCache(limit: blockBytes) { $0.count }
        metadata = BoundedCache(limit: metadataBytes) { $0.count }
        files = BoundedCache(limit: metadataBytes) { $0.bytes }
    }

    /// Bytes of decompressed data that are kept now.
    public var blockBytes: Int { blocks.bytes }

    /// Lets go of decompressed data, that which was not used for longest, until no more than `bytes` are kept.
    public func shrink(to bytes: Int) { blocks.shrink(to: bytes) }

    /// A number that no other image of this cache has.
    func addImage() -> UInt32 {
        lastImage.withLock { last in
            last &+= 1
            return last
        }
    }

    func removeImage(_ image: UInt32) {
        blocks.removeAll(of: image)
        metadata.removeAll(of: image)
        files.removeAll(of: image)
    }
}
