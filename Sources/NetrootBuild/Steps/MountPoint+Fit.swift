import Glibc
import NetrootSystem

extension MountPoint {
    /// Checks that a root can be made in a directory: programs of it run, and files are written.
    /// - Throws: `BuildError.unfitMount`, `SystemError`.
    static func requireFit(_ directory: String) throws {
        guard let resolved = realpath(directory, nil) else { throw SystemError("resolve", directory, code: errno) }
        defer { free(resolved) }
        let path = String(cString: resolved)
        guard let mount = of(path, in: try Files.text("/proc/self/mountinfo")) else { return }
        for option in ["ro", "noexec"] where mount.options.contains(option) {
            throw BuildError.unfitMount(path: path, mountPoint: mount.path, option: option)
        }
    }
}
