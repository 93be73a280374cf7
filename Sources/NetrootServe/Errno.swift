import Glibc

/// An `errno` value as an error.
struct Errno: Error, Equatable, CustomStringConvertible {
    let code: Int32

    /// That of the last call.
    static var current: Errno { Errno(code: errno) }

    /// What `strerror` says of it.
    var description: String {
        var buffer = [CChar](repeating: 0, count: 128)
        // The XSI form, which Swift imports, writes into the buffer.
        guard strerror_r(code, &buffer, buffer.count) == 0 else { return "error \(code)" }
        return String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}

extension NFSStatus {
    /// What a client is told of a file that cannot be opened.
    init(opening error: Int32) {
        self =
            switch error {
            case ENOENT, ENOTDIR, ELOOP: .stale
            case EACCES, EPERM: .access
            case EMFILE, ENFILE, ENOMEM: .jukebox
            default: .io
            }
    }
}
