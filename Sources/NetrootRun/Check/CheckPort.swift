import Glibc
import NIOCore
import NIOPosix
import NetrootSite
import NetrootSystem

/// The guest's second serial port, as QEMU offers it on a Unix socket.
struct CheckPort: Sendable {
    /// The socket's path; QEMU makes it when it starts.
    let path: String
    /// A line longer than this, in bytes, is not the guest script's.
    private static let longestLine = 64 << 10

    /// Connects as soon as QEMU listens, hands every message on, and sends commands to the guest.
    ///
    /// Returns when QEMU closes the socket; cancelling the task ends it.
    /// - Throws: `CancellationError`, NIO's errors.
    func run(commands: AsyncStream<String>, receive: @escaping @Sendable (CheckMessage) -> Void) async throws {
        do {
            try await exchange(over: try await connected(), commands: commands, receive: receive)
        } catch let error as IOError where error.errnoCode == ECONNRESET || error.errnoCode == EPIPE {
            // QEMU has ended with bytes unread: the end of the line like any other.
        }
    }

    private func exchange(
        over channel: NIOAsyncChannel<ByteBuffer, ByteBuffer>, commands: AsyncStream<String>,
        receive: @escaping @Sendable (CheckMessage) -> Void
    ) async throws {
        try await channel.executeThenClose { inbound, outbound in
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    for await command in commands { try await outbound.write(ByteBuffer(string: command + "\n")) }
                }
                var line: [UInt8] = []
                for try await buffer in inbound {
                    for byte in buffer.readableBytesView {
                        if byte != UInt8(ascii: "\n") {
                            if line.count < Self.longestLine { line.append(byte) }
                            continue
                        }
                        if let message = CheckMessage(line: String(decoding: line, as: UTF8.self)) { receive(message) }
                        line = []
                    }
                }
                group.cancelAll()
            }
        }
    }

    private func connected() async throws -> NIOAsyncChannel<ByteBuffer, ByteBuffer> {
        while true {
            do {
                return try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
                    .connect(unixDomainSocketPath: path) { channel in
                        channel.eventLoop.makeCompletedFuture {
                            try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                        }
                    }
            } catch let error as IOError where error.errnoCode == ECONNREFUSED || error.errnoCode == ENOENT {
                try await Task.sleep(for: .milliseconds(50))
            }
        }
    }
}
