import NetrootSystem
import TestSupport

/// A root of a few megabytes: a shell and the programs that recipes of the tests run, with their libraries.
enum SmallRoot {
    static let programs = [
        "dash", "sh", "bash", "cat", "cp", "rm", "mkdir", "chmod", "touch", "sleep", "env", "ls", "readlink", "getent",
        "true", "dpkg-query", "head", "chattr",
    ]

    /// Cuts it out of a whole root.
    static func cut(from whole: String, to root: String) async throws {
        let script = """
            set -eu
            from=$1 to=$2
            shift 2
            mkdir -p "$to/usr/bin" "$to/usr/sbin" "$to/usr/lib" "$to/usr/lib64" "$to/etc" "$to/boot" "$to/root"
            mkdir -p "$to/var/lib/dpkg/info" "$to/var/lib/dpkg/updates" "$to/usr/lib/modules" "$to/tmp"
            for name in bin sbin lib lib64; do ln -s "usr/$name" "$to/$name"; done
            cp -a "$from/var/lib/dpkg/status" "$to/var/lib/dpkg/"
            cp -a "$from/etc/passwd" "$from/etc/group" "$from/etc/nsswitch.conf" "$to/etc/"
            for program; do
                cp -a "$from/usr/bin/$program" "$to/usr/bin/"
                chroot "$from" ldd "/usr/bin/$program" | tr ' \\t' '\\n\\n' | grep '^/'
            done | sort -u | while read -r library; do
                mkdir -p "$to/$(dirname "$library")"
                cp -L "$from/$library" "$to/$library"
            done
            """
        let outcome = try await run(["sh", "-c", script, "sh", whole, root] + programs)
        guard outcome.status == 0 else { throw TestFailure(outcome.errors) }
    }
}
