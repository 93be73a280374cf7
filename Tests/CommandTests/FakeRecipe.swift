import NetrootImage
import NetrootSystem

/// A recipe for fast builds: `mmdebstrap` is a program that copies the workshop's small root, and `%post` puts in a
/// kernel of a few bytes and a dracut that writes an archive made by the test. All else is the real thing.
struct FakeRecipe {
    static let kernel = "6.1.0-fake"

    /// The header, for an agent that is not a fake.
    var header = "Bootstrap: debootstrap\nOSVersion: bookworm\n"
    /// Lines of the sections, without indent.
    /// Of `%files`, besides the archive.
    var files = ""
    var setup = ""
    var post = ""
    var test = ""
    var hasKernel = true
    var hasDracut = true
    /// What dracut does before it writes; a line of shell.
    var dracut = ""
    /// For which kernel the archive is.
    var archiveKernel = FakeRecipe.kernel
    /// What the archive lacks: the entries whose paths end so.
    var lacking = ""
    /// The programs that the root has for dracut, for every transport.
    var programs = ["mount.nfs", "nbd-client", "perl", "curl"]

    /// Writes the recipe of a label, and what it needs, into a scratch folder.
    func write(_ scratch: Scratch, _ label: String = "a") throws {
        try scratch.write("\(label).cpio", bytes: try archive())
        let always =
            [
                hasKernel
                    ? "mkdir -p /lib/modules/\(Self.kernel); echo kernel > /boot/vmlinuz-\(Self.kernel)"
                    : "test ! -e /boot/vml*",
                hasDracut
                    ? Self.install("dracut", "\(dracut)\necho ran >> /var/dracut-runs\ncp /fake.cpio \"$last\"")
                    : "true",
            ] + programs.map { Self.install($0, "exit 1") }
        var text = header + "\n%files\n    \(label).cpio /fake.cpio\n" + Self.indented(files)
        if !setup.isEmpty { text += "\n%setup\n" + Self.indented(setup) }
        text += "\n%post\n" + Self.indented((always + [post]).joined(separator: "\n"))
        if !test.isEmpty { text += "\n%test\n" + Self.indented(test) }
        try scratch.write("\(label).def", text)
    }

    /// Shell that puts a program in the place of one of the root's.
    static func install(_ name: String, _ body: String) -> String {
        """
        rm -f /usr/bin/\(name)
        cat > /usr/bin/\(name) <<'END'
        #!/bin/sh
        for last; do :; done
        \(body)
        END
        chmod 755 /usr/bin/\(name)
        """
    }

    /// The programs' folder comes first in PATH.
    static func environment(_ scratch: Scratch) async throws -> [String: String] {
        let root = try await Workshop.shared.smallRoot()
        try scratch.write(
            "bin/mmdebstrap",
            """
            #!/bin/sh
            for argument; do case $argument in /*) root=$argument ;; esac; done
            exec cp -a --reflink=auto '\(root)/.' "$root"

            """, mode: 0o755)
        return ["PATH": scratch.path + "/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
    }

    private static func indented(_ text: String) -> String {
        text.split(separator: "\n").map { $0 == "END" || $0.hasPrefix("#!") ? "\($0)\n" : "    \($0)\n" }.joined()
    }

    private func archive() throws -> [UInt8] {
        let modules = "usr/lib/modules/\(archiveKernel)/kernel/"
        let files = [
            "usr/lib/dracut/hooks/pre-pivot/10-rootovl.sh", "usr/lib/dracut/hooks/pre-pivot/06-net.sh",
            "usr/sbin/netroot", "usr/lib/netroot-wait.sh", "usr/sbin/mount.nfs", "usr/sbin/nbd-client",
            "usr/bin/curl", "usr/bin/perl", "usr/bin/netroot-nbd-keep", "usr/lib/netroot-nbd.sh",
            "usr/lib/netroot-http.sh", "usr/lib/dracut/hooks/pre-mount/10-nbd-keep.sh",
            "usr/lib/dracut/hooks/netroot/10-nbd-port.sh", "usr/lib/dracut/hooks/netroot/10-http-ram.sh",
            "usr/lib/dracut/hooks/mount/00-http-mount.sh", modules + "drivers/block/nbd.ko",
            modules + "drivers/block/loop.ko", modules + "fs/squashfs/squashfs.ko", modules + "fs/nfs/nfs.ko",
            modules + "fs/nfs/nfsv3.ko", modules + "fs/overlayfs/overlay.ko", modules + "drivers/net/virtio_net.ko",
        ]
        let names = "base\ndmsquash-live\nlivenet\nnbd\nnetroot-rootovl\nnfs\n"
        let entries =
            files.map { NewcEntry($0, .bytes(Array("x".utf8))) }
            + [NewcEntry("usr/lib/dracut/modules.txt", .bytes(Array(names.utf8)))]
        return try NewcArchive(
            entries: entries.filter { lacking.isEmpty || !String(decoding: $0.path, as: UTF8.self).hasSuffix(lacking) }
        ).bytes()
    }
}
