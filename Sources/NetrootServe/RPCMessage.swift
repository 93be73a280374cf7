import NIOCore

/// Numbers of ONC RPC version 2 (RFC 5531).
public enum RPC {
    /// `RPC_MSG_VERSION`: the only version there is.
    public static let version: UInt32 = 2
    /// `msg_type` CALL.
    public static let call: UInt32 = 0
    /// `msg_type` REPLY.
    public static let reply: UInt32 = 1
    /// The most bytes that an `opaque_auth` body has (RFC 5531, 8.2).
    public static let authenticationLimit = 400
    /// The bit of a record mark that says that a fragment is the record's last (RFC 5531, 11).
    public static let lastFragment: UInt32 = 0x8000_0000
}

/// How the server took an accepted call: `accept_stat` (RFC 5531, 9).
enum RPCAcceptStatus: UInt32, Sendable {
    case success = 0
    case programUnavailable = 1
    case programMismatch = 2
    case procedureUnavailable = 3
    case garbageArguments = 4
    case systemError = 5
}

/// Why a record is not a call that can be answered.
enum RPCError: Error, Equatable, Sendable {
    /// The header is cut or has a length that no header has.
    case malformed
    /// A REPLY, or a `msg_type` that does not exist: who sends one to a server is not a client.
    case notACall
}

/// The header of a call (RFC 5531, 9).
struct RPCCall: Sendable, Equatable {
    /// The transaction identifier that the reply repeats.
    let transaction: UInt32
    /// The RPC version; anything but 2 is answered with RPC_MISMATCH.
    let rpcVersion: UInt32
    /// The program, for example 100003 for NFS.
    let program: UInt32
    /// The program's version.
    let version: UInt32
    let procedure: UInt32
    /// The flavor of the credential; 1 is AUTH_SYS (RFC 5531, 8.1 and appendix A).
    let credentialFlavor: UInt32
    /// Where the credential's body lies.
    let credential: XDRReader.Opaque

    /// Reads a header, credentials and verifier included, and leaves the reader at the arguments. The server offers
    /// what it offers to everybody, so the credentials' contents are read by ACCESS alone.
    /// - Throws: `.notACall`, `.malformed`.
    init(from reader: inout XDRReader) throws(RPCError) {
        do {
            transaction = try reader.uint32()
            guard try reader.uint32() == RPC.call else { throw RPCError.notACall }
            rpcVersion = try reader.uint32()
            program = try reader.uint32()
            version = try reader.uint32()
            procedure = try reader.uint32()
            credentialFlavor = try reader.uint32()
            credential = try reader.opaque(limit: RPC.authenticationLimit)
            _ = try reader.uint32()
            _ = try reader.opaque(limit: RPC.authenticationLimit)
        } catch let error as RPCError {
            throw error
        } catch {
            throw .malformed
        }
    }
}

/// Replies (RFC 5531, 9) are written at the end of a buffer, behind a record mark that `endRecord` fills in.
extension ByteBuffer {
    /// Leaves room for a record mark.
    /// - Returns: the index to give to `endRecord`.
    mutating func beginRecord() -> Int {
        let mark = writerIndex
        writeInteger(0, as: UInt32.self)
        return mark
    }

    /// Sets the record mark at `mark` for what was written since, and for `more` bytes that are still to come.
    mutating func endRecord(_ mark: Int, more: Int = 0) {
        setInteger(RPC.lastFragment | UInt32(writerIndex - mark - 4 + more), at: mark)
    }

    /// Takes back what was written since `index`.
    mutating func truncate(to index: Int) {
        moveWriterIndex(to: index)
    }

    /// An accepted reply's header: no verifier, and the status.
    mutating func writeAccepted(_ transaction: UInt32, _ status: RPCAcceptStatus = .success) {
        writeMultipleIntegers(transaction, RPC.reply, UInt32(0), UInt32(0), UInt32(0), status.rawValue)
    }

    /// PROG_MISMATCH with the one version there is.
    mutating func writeVersionMismatch(_ transaction: UInt32, supported: UInt32) {
        writeAccepted(transaction, .programMismatch)
        writeMultipleIntegers(supported, supported)
    }

    /// MSG_DENIED, RPC_MISMATCH: the call's RPC version is not 2.
    mutating func writeRPCMismatch(_ transaction: UInt32) {
        writeMultipleIntegers(transaction, RPC.reply, UInt32(1), UInt32(0), RPC.version, RPC.version)
    }
}
