import Glibc

/// The parts of a SIF file that its signatures are about (`pkg/integrity` in github.com/sylabs/sif).
extension SIF {
    /// The group of objects that the root is signed with.
    public struct SignedGroup: Sendable {
        /// An object, and what stands for its descriptor: its fields but the place, and numbers counted from the group's first.
        public struct Member: Sendable {
            /// Counted from the lowest number in the group.
            public let relativeID: UInt32
            /// The protected fields of its descriptor.
            public let descriptor: [UInt8]
            /// Its place in the file, in bytes.
            public let bytes: Range<UInt64>
        }

        /// The protected fields of the header.
        public let header: [UInt8]
        /// All objects of the group.
        public let members: [Member]
        /// The signatures of the group: clear-signed texts (RFC 4880, 7).
        public let signatures: [[UInt8]]
    }

    /// The largest signature that is read, in bytes.
    private static let longestSignature: UInt64 = 1 << 20
    /// Set in a number that is a group's.
    private static let groupMask: UInt32 = 0xF000_0000

    /// What the signatures of the root's group are about, and the signatures.
    /// - Throws: `SIFError`.
    public func signedGroup() throws(SIFError) -> SignedGroup {
        let group = try root().group
        let members = objects.filter { $0.group == group && group & Self.groupMask != 0 }
        guard let first = members.map(\.id).min() else {
            throw .unsupported(
                path: path, problem: "its root is in no group, so no signature can be about it",
                hint: "build and sign it again")
        }
        var signatures: [[UInt8]] = []
        do throws(SquashfsReadError) {
            for object in objects where object.kind == .signature && object.link == group {
                let count = object.bytes.upperBound - object.bytes.lowerBound
                guard count <= Self.longestSignature else {
                    throw .corrupt(path: path, place: "object \(object.id)", problem: "a signature of \(count) bytes")
                }
                signatures.append(try SquashfsImageFile(path).bytes(at: object.bytes.lowerBound, count: Int(count)))
            }
        } catch {
            throw SIFError(error)
        }
        return SignedGroup(
            // Launch script, magic and version; the identifier. Not the architecture, not what signing changes.
            header: Array(header[..<45] + header[48..<64]),
            members: members.map { (object: Object) -> SignedGroup.Member in
                let relative = object.id - first
                let id = withUnsafeBytes(of: relative.littleEndian) { Array($0) }
                let raw = object.descriptor
                // Type and use; number; link; length; times and owner but the last change; name and more.
                var fields = Array(raw[..<5])
                fields += id
                for part in [13..<17, 25..<33, 41..<49, 57..<Self.descriptorBytes] { fields += raw[part] }
                return SignedGroup.Member(relativeID: relative, descriptor: fields, bytes: object.bytes)
            },
            signatures: signatures)
    }
}
