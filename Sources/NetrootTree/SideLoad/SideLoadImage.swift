import NetrootImage
import NetrootSystem

/// What a side-load is appended to.
public struct SideLoadTarget: Sendable {
    /// Where the root is that an initramfs of dracut mounts.
    public enum Root: Sendable {
        /// A directory.
        case tree(String)
        /// A squashfs image.
        case image(String)
    }

    /// A rescue archive, or an initramfs.
    public let archive: String
    /// Nil for a rescue archive, and where nobody knows.
    public let root: Root?

    /// The values as they are named.
    public init(archive: String, root: Root? = nil) {
        self.archive = archive
        self.root = root
    }
}

/// An image with what of it matters to the side-loads behind it.
struct SideLoadImage: Sendable {
    /// What lays a side-load over the root.
    enum Kind: String, Sendable {
        /// A rescue archive whose root is a squashfs image in it.
        case squashfs
        /// A rescue archive that is the root itself.
        case cpio
        /// An initramfs of dracut, which mounts the root.
        case dracut
        /// An initramfs that netroot does not know.
        case other

        /// Whether what the kernel unpacks to becomes the root, plain names of side-loads among it.
        var rootIsRootfs: Bool { self == .squashfs || self == .cpio }
    }

    let kind: Kind
    /// What the kernel unpacks to: of a rescue archive the root, of others the initramfs.
    var rootfs = RootModel()
    /// What `netroot/overlay` is laid over; nil where nobody knows it, or where that is `rootfs`.
    var root: RootModel?
    /// The accounts of the root (passwd(5)).
    var accounts: [UInt8]?
    /// What lies behind the end of a rescue archive already, and the side-load of an initramfs.
    var appended: [SideLoadEntry] = []
    /// Whether what follows at once would be taken for a part of it.
    var endsInOpenFrame: Bool
    /// What is wrong with the image itself.
    var problems: [String] = []

    /// Reads an image to its end.
    /// - Throws: `SystemError`, `SquashfsReadError`, `FileListingError`, `CancellationError`.
    init(_ target: SideLoadTarget) async throws {
        let archive = try await RescueArchive(target.archive)
        problems = archive.problems
        endsInOpenFrame = archive.endsInOpenFrame
        if archive.isRescue {
            kind = archive.layout == "cpio" ? .cpio : .squashfs
            appended = archive.appended
            if kind == .cpio {
                for entry in archive.own where !RescueArchive.isNetroots(entry.path) {
                    rootfs.put(entry.node, at: entry.path)
                }
                accounts = archive.own.last { $0.path.elementsEqual(SideLoad.accounts.utf8) }?.content
            } else if problems.isEmpty, let part = archive.squashfs {
                let reader = try SquashfsReader(target.archive, part: part)
                rootfs = RootModel(try FileListing(image: reader))
                accounts = try Self.accounts(of: reader)
            }
            return
        }
        kind = archive.isDracut ? .dracut : .other
        for entry in archive.own {
            if SideLoad.isLaid(entry.path) { appended.append(entry) } else { rootfs.put(entry.node, at: entry.path) }
        }
        switch target.root {
        case .tree(let path):
            root = RootModel(try FileListing(directory: path))
            let tree = RootTree(directory: path)
            if try tree.contains(SideLoad.accounts) { accounts = try tree.read(SideLoad.accounts) }
        case .image(let path):
            let reader = try SquashfsReader(path)
            root = RootModel(try FileListing(image: reader))
            accounts = try Self.accounts(of: reader)
        case nil: break
        }
    }

    private static func accounts(of reader: SquashfsReader) throws -> [UInt8]? {
        var reference: UInt64?
        // Breadth first: /etc is among the first.
        try reader.scan { directory in
            guard directory.path.elementsEqual("/etc".utf8) else { return }
            reference =
                directory.entries.first { $0.name.elementsEqual("passwd".utf8) && $0.inode.type == .regular }?.inode
                .reference
        }
        guard let reference else { return nil }
        let file = try reader.file(reference)
        var failure: SquashfsReadError?
        let bytes = [UInt8](unsafeUninitializedCapacity: Int(min(file.size, 1 << 20))) { buffer, count in
            do throws(SquashfsReadError) {
                count = try reader.read(file, at: 0, into: UnsafeMutableRawBufferPointer(buffer))
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return bytes
    }
}
