import NetrootStore
import NetrootTree

extension Manifest.Privileged {
    /// Counts the files of a root.
    init(countedIn listing: FileListing) {
        let counts = PrivilegedFiles(listing)
        self.init(setuid: counts.setuid, setgid: counts.setgid, capabilities: counts.capabilities)
    }
}
