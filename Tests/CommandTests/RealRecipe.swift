import NetrootSystem

/// The shipped recipe `debian12-base.def`, with every section that netroot knows.
enum RealRecipe {
    /// A file on the host whose name a symlink in the root leads to.
    static func text(mirror: String) throws -> String {
        let shipped = try Files.text(Place.checkout + "/recipes/debian12-base.def")
        let version = "OSVersion: bookworm\n"
        return shipped.replacing(version, with: version + "MirrorURL: \(mirror)\n", maxReplacements: 1) + more
    }

    /// Appended sections; `%post` and `%test` go on where the shipped ones end.
    private static let more = """

        %setup
            test "$APPTAINER_ROOTFS" = "$SINGULARITY_ROOTFS"
            test -x "$APPTAINER_ROOTFS/sbin/init"
            echo "$PWD" > "$APPTAINER_ROOTFS/setup-was-here"
            # Symlinks that lead out of the root for whoever does not resolve them inside it.
            ln -s "$PWD/outside" "$APPTAINER_ROOTFS/escape"
            ln -s ../../../../../../../../../../../.."$PWD/outside" "$APPTAINER_ROOTFS/escape2"

        %files
            conf/*.conf /etc/workshop/
            tree /opt/
            "two words.txt" "/opt/two words.txt"
            link.txt /opt/link.txt
            plain.txt /escape/plain.txt
            plain.txt /escape2/plain2.txt

        %environment
            export WORKSHOP=yes

        %labels
            workshop.size 7 feet

        %post
            test -e /setup-was-here
            test -e /etc/workshop/b.conf
            echo 'export FROM_POST=1' >> "$APPTAINER_ENVIRONMENT"
            echo noise > /dev/null
            # A unit that netroot would mask, one that is not there before, and one without its name in this text.
            systemctl enable fstrim.timer
            printf '[Service]\\nExecStart=true\\n[Install]\\nWantedBy=multi-user.target\\n' \
                > /usr/lib/systemd/system/purge-kernels.service
            systemctl enable purge-kernels.service
            find /etc/systemd/system -name 'e2scrub_r*' -lname /dev/null -delete

        %test
            test -e /opt/link.txt

        """

    /// What `%files` names.
    static func writeFiles(_ scratch: Scratch) throws {
        try scratch.write("recipe/conf/a.conf", "a\n")
        try scratch.write("recipe/conf/b.conf", "b\n")
        try scratch.write("recipe/conf/not-this.txt", "c\n")
        try scratch.write("recipe/tree/sub/deep.txt", "deep\n")
        try scratch.write("recipe/tree/run.sh", "#!/bin/sh\n", mode: 0o755)
        try scratch.write("recipe/two words.txt", "two words\n")
        try scratch.write("recipe/plain.txt", "plain\n")
        try Files.makeDirectory(scratch.path + "/recipe/outside")
        try scratch.write("elsewhere.txt", "followed on the host\n")
        try Files.replaceLink(scratch.path + "/recipe/link.txt", target: "../elsewhere.txt")
    }
}
