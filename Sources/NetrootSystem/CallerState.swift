import CLinux
import Glibc

/// What a process has from its caller, and what must not show in what netroot makes: another user's shell, a cron job and a
/// service build the same root.
public enum CallerState {
    /// Brings the process into a known state; before anything else in a program.
    ///
    /// The mask of permissions is 022. Standard input, output and error are open, so that no file of ours gets the number of
    /// one. Ended children can be waited for, no signal is blocked, and a file that grows past a limit is an error and not the
    /// end; the limit is as high as the caller may have it. Root has root's group. A working directory that is gone becomes `/`.
    /// - Returns: the caller's mask.
    @discardableResult
    public static func reset() -> UInt32 {
        while true {
            // The lowest free number is taken: it is one of the three as long as one is missing.
            let descriptor = open("/dev/null", O_RDWR)
            guard (0...2).contains(descriptor) else {
                if descriptor > 2 { close(descriptor) }
                break
            }
        }
        signal(SIGCHLD, SIG_DFL)
        signal(SIGXFSZ, SIG_IGN)
        var none = sigset_t()
        sigemptyset(&none)
        sigprocmask(SIG_SETMASK, &none, nil)
        var limit = rlimit()
        let resource = __rlimit_resource_t(RLIMIT_FSIZE.rawValue)
        if getrlimit(resource, &limit) == 0, limit.rlim_cur < limit.rlim_max {
            limit.rlim_cur = limit.rlim_max
            setrlimit(resource, &limit)
        }
        // As after newgrp(1) or sudo -g: what root makes would have that group.
        if geteuid() == 0, getegid() != 0 { setgid(0) }
        if let folder = getcwd(nil, 0) { free(folder) } else { _ = chdir("/") }
        return UInt32(umask(0o022))
    }

    /// Variables that change what the programs do that netroot runs, whatever they are told: where they look for code and
    /// configuration, how they print, sort and compress. None of them means anything inside of a root, and a directory for
    /// temporary files may not even exist there, or be closed to the users that package managers run as.
    static let droppedVariables: [String] = [
        // temporary files
        "TMPDIR", "TMP", "TEMP", "TEMPDIR",
        // the locale; LC_ALL is set
        "LANG", "LANGUAGE", "LC_ADDRESS", "LC_COLLATE", "LC_CTYPE", "LC_IDENTIFICATION", "LC_MEASUREMENT",
        "LC_MESSAGES",
        "LC_MONETARY", "LC_NAME", "LC_NUMERIC", "LC_PAPER", "LC_TELEPHONE", "LC_TIME", "I18NPATH", "LOCPATH", "NLSPATH",
        // shells
        "BASH_ENV", "BASHOPTS", "CDPATH", "ENV", "GLOBIGNORE", "POSIXLY_CORRECT", "SHELLOPTS",
        // languages
        "PERL5LIB", "PERL5OPT", "PERLLIB", "PERL_UNICODE", "PYTHONHOME", "PYTHONOPTIMIZE", "PYTHONPATH",
        "PYTHONSTARTUP",
        // GNU's and others' tools
        "BLOCKSIZE", "BLOCK_SIZE", "BZIP", "BZIP2", "DF_BLOCK_SIZE", "DU_BLOCK_SIZE", "GREP_COLOR", "GREP_OPTIONS",
        "GZIP",
        "LS_BLOCK_SIZE", "QUOTING_STYLE", "TAR_OPTIONS", "TIME_STYLE", "XZ_DEFAULTS", "XZ_OPT", "ZSTD_CLEVEL",
        "ZSTD_NBTHREADS",
        // package managers
        "APT_CONFIG", "DEBCONF_DB_FALLBACK", "DEBCONF_DB_OVERRIDE", "DPKG_ADMINDIR", "DPKG_DATADIR", "DPKG_FORCE",
        "DPKG_ROOT", "RPM_CONFIGDIR", "ZYPP_CONF",
    ]
}

extension Files {
    /// Gives a directory that was just made the owner, the group and the permissions that it has without a directory above it:
    /// what lies in it inherits them no more. Access control lists (acl(5)) are handed down, and so are the group and the bit of
    /// a setgid directory.
    /// - Throws: `SystemError`.
    public static func disinherit(_ path: String, mode: UInt16 = 0o755) throws {
        let directory = try DirectoryHandle(path)
        for name in ["system.posix_acl_default", "system.posix_acl_access"]
        where fremovexattr(directory.descriptor, name) != 0 && ![ENODATA, ENOTSUP].contains(errno) {
            throw SystemError("remove the access control list of", path, code: errno)
        }
        try SystemError.check("protect", path, fchown(directory.descriptor, geteuid(), getegid()))
        // After the list: what was its mask would be the permissions of the group.
        try SystemError.check("protect", path, fchmod(directory.descriptor, mode_t(mode)))
    }
}
