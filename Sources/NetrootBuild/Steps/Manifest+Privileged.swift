import NetrootImage
import NetrootStore
import NetrootTree

extension Manifest.Privileged {
    /// Counts the files of a root.
    /// - Throws: `FileListingError`, `SystemError`.
    init(countedIn root: String) throws {
        let counts = PrivilegedFiles(try FileListing(directory: root))
        self.init(setuid: counts.setuid, setgid: counts.setgid, capabilities: counts.capabilities)
    }
}
