import NetrootStore

/// Where formats.md says that a generation has its root.
extension Generation {
    var root: String { directory + "/tree/root" }
    var image: String { directory + "/root.squashfs" }
}
