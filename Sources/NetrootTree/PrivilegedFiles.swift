import NetrootImage
import NetrootSystem

/// How many regular files of a root give their caller more rights than he has; hard links count once.
public struct PrivilegedFiles: Sendable, Equatable {
    /// Those with the setuid bit.
    public private(set) var setuid = 0
    /// Those with the setgid bit that the group may execute; without that right the bit once meant mandatory locking.
    public private(set) var setgid = 0
    /// Those with file capabilities (capabilities(7)).
    public private(set) var capabilities = 0

    /// Counts in what was listed.
    public init(_ listing: FileListing) {
        for node in listing.nodes where node.isFirst && node.entry.type == .regular {
            if node.entry.mode & 0o4000 != 0 { setuid += 1 }
            if node.entry.mode & 0o2010 == 0o2010 { setgid += 1 }
            if node.entry.xattrs[Array("security.capability".utf8)] != nil { capabilities += 1 }
        }
    }
}
