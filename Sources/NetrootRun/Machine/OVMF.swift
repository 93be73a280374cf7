import NetrootEntry
import NetrootSite
import NetrootSystem

/// UEFI for QEMU's machine: Debian's OVMF.
struct OVMF: Sendable, Equatable {
    /// The firmware itself, read-only.
    var code = "/usr/share/OVMF/OVMF_CODE_4M.fd"
    /// Its variables; every machine gets a copy.
    var variables = "/usr/share/OVMF/OVMF_VARS_4M.fd"

    /// Checks that both are there.
    /// - Throws: `MissingError`.
    func require() throws {
        for file in [code, variables] { try Tool.require(file: file, package: "ovmf") }
    }

    /// A machine's own variables, made anew.
    /// - Throws: `SystemError`.
    func copyVariables(to path: String) throws { try Files.replace(path, with: try Files.read(variables), mode: 0o600) }
}
