import TestSupport
import Testing

@testable import NetrootDHCP

@Suite struct DHCPMessageTests {
    static let hardware = HardwareAddress(type: 1, bytes: [0x52, 0x54, 0, 0x12, 0x34, 0x56])

    static func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }

    /// Header, cookie and options as RFC 2131 draws them, written out by hand.
    static func reply(
        options: [UInt8], file: [UInt8] = [], serverName: [UInt8] = [], yourAddress: [UInt8] = [10, 0, 0, 15]
    ) -> [UInt8] {
        [2, 1, 6, 0] + [0xDE, 0xAD, 0xBE, 0xEF] + [0, 0, 0, 0] + [0, 0, 0, 0] + yourAddress + [10, 0, 0, 1] + [
            0, 0, 0, 0,
        ]
            + hardware.bytes + zeros(10) + serverName + zeros(64 - serverName.count) + file + zeros(128 - file.count)
            + [99, 130, 83, 99] + options
    }

    @Test func theRequestIsThatOfRFC2131() throws {
        let request = LeaseRequest(
            address: try #require(IPv4Address("10.0.0.15")), hardware: Self.hardware,
            clientIdentifier: [1] + Self.hardware.bytes, transaction: 0x0102_0304)
        let message = request.message(seconds: 258)
        let options: [UInt8] =
            [53, 1, 3] + [61, 7, 1, 0x52, 0x54, 0, 0x12, 0x34, 0x56] + [55, 4, 51, 54, 58, 59] + [255]
        let golden: [UInt8] =
            [1, 1, 6, 0] + [1, 2, 3, 4] + [1, 2] + [0, 0] + [10, 0, 0, 15] + Self.zeros(12)
            + Self.hardware.bytes + Self.zeros(10) + Self.zeros(64) + Self.zeros(128)
            + [99, 130, 83, 99] + options
        #expect(message.bytes == golden + Self.zeros(300 - golden.count))
        #expect(try DHCPMessage(bytes: message.bytes) == message)
        // RFC 2131, 4.3.2: "MUST NOT be filled in".
        #expect(message.options[DHCPOptions.Code.requestedAddress] == nil)
        #expect(message.options[DHCPOptions.Code.serverIdentifier] == nil)
        let without = LeaseRequest(
            address: .none, hardware: Self.hardware, clientIdentifier: nil, transaction: 1)
        #expect(without.message(seconds: 0).options[DHCPOptions.Code.clientIdentifier] == nil)
    }

    /// RFC 4390: the address of 20 bytes does not go into the header.
    @Test func infiniBandIsToldByItsIdentifier() throws {
        let text = (0..<20).map { "0\($0 % 10)" }.joined(separator: ":")
        let card = try #require(HardwareAddress(text))
        let bytes = LeaseRequest(address: .none, hardware: card, clientIdentifier: [0, 1], transaction: 1)
            .message(seconds: 0).bytes
        #expect(Array(bytes[1...2]) == [32, 0])
        #expect(bytes[28..<44].allSatisfy { $0 == 0 })
    }

    @Test(arguments: DHCPMessageTests.kinds)
    func everyKindComesBack(kind: DHCPMessage.Kind) throws {
        var message = DHCPMessage(kind, .reply, hardware: Self.hardware, transaction: .max)
        message.hops = 3
        message.broadcast = true
        message.clientAddress = IPv4Address(1)
        message.yourAddress = IPv4Address(2)
        message.nextServer = IPv4Address(3)
        message.relay = IPv4Address(4)
        message.serverName = Array("server".utf8)
        message.bootFile = Array("pxelinux.0".utf8)
        message.options.append(DHCPOptions.Code.serverIdentifier, IPv4Address(0x0A00_0001))
        message.options.append(DHCPOptions.Code.leaseTime, number: 3600)
        // More than one option can hold.
        message.options.append(224, [UInt8](repeating: 7, count: 600))
        let read = try DHCPMessage(bytes: message.bytes)
        #expect(read == message)
        #expect(read.kind == kind)
        #expect(read.options.entries.filter { $0.code == 224 }.map(\.value.count) == [255, 255, 90])
        #expect(read.options[224]?.count == 600)
        #expect(read.options.number(DHCPOptions.Code.leaseTime) == 3600)
        #expect(read.options.address(DHCPOptions.Code.serverIdentifier)?.description == "10.0.0.1")
    }
    static let kinds = (1...8).compactMap { DHCPMessage.Kind(rawValue: UInt8($0)) }

    @Test func optionsGoOnInFileAndServerName() throws {
        let bytes = Self.reply(
            options: [53, 1, 5, 52, 1, 3, 12, 1, 65, 255], file: [12, 1, 66, 51, 4, 0, 0, 0, 60, 255],
            serverName: [0, 0, 12, 1, 67, 52, 1, 9, 255])
        let message = try DHCPMessage(bytes: bytes)
        #expect(message.options[12] == Array("ABC".utf8))
        #expect(message.options.number(DHCPOptions.Code.leaseTime) == 60)
        #expect(message.bootFile.isEmpty && message.serverName.isEmpty)
        let file = try DHCPMessage(
            bytes: Self.reply(options: [52, 1, 2, 255], file: Array("boot".utf8), serverName: [255]))
        #expect(file.bootFile == Array("boot".utf8))
    }

    @Test(arguments: [
        (DHCPMessageTests.zeros(0), DHCPParseError.tooShort(0)),
        (Array(DHCPMessageTests.reply(options: []).dropLast()), .tooShort(239)),
        ([3] + DHCPMessageTests.reply(options: []).dropFirst(), .unknownOperation(3)),
        ([2, 1, 17] + DHCPMessageTests.reply(options: []).dropFirst(3), .longHardwareAddress(17)),
        (Array(DHCPMessageTests.reply(options: []).dropLast(4)) + [99, 130, 83, 98], .noCookie),
        (DHCPMessageTests.reply(options: [53]), .cutOption(53)),
        (DHCPMessageTests.reply(options: [53, 1]), .cutOption(53)),
        (DHCPMessageTests.reply(options: [0, 0, 54, 4, 10, 0, 0]), .cutOption(54)),
        (DHCPMessageTests.reply(options: [52, 1, 4, 255]), .wrongOverload),
        (DHCPMessageTests.reply(options: [52, 1, 0, 255]), .wrongOverload),
        (DHCPMessageTests.reply(options: [52, 2, 1, 1, 255]), .wrongOverload),
        (
            DHCPMessageTests.reply(options: [52, 1, 1, 255], file: [UInt8](repeating: 255, count: 0) + [12, 127]),
            .cutOption(12)
        ),
    ])
    func whatIsNoMessageIsRefused(bytes: [UInt8], reason: DHCPParseError) {
        #expect(throws: reason) { try DHCPMessage(bytes: bytes) }
    }

    @Test func anOptionOfAnotherLengthIsNoNumber() throws {
        let message = try DHCPMessage(
            bytes: Self.reply(options: [51, 3, 1, 2, 3, 54, 5, 1, 2, 3, 4, 5, 53, 2, 5, 5, 255]))
        #expect(message.options.number(DHCPOptions.Code.leaseTime) == nil)
        #expect(message.options.address(DHCPOptions.Code.serverIdentifier) == nil)
        #expect(message.kind == nil)
    }

    /// Noise, and replies with bytes changed, cut off or repeated: nothing stops the program, and what is read can be sent.
    @Test func aHundredThousandRandomMessages() throws {
        var random = SeededRandom(seed: 20_261_130)
        let request = LeaseRequest(
            address: IPv4Address(0x0A00_000F), hardware: Self.hardware, clientIdentifier: nil, transaction: 0xDEAD_BEEF)
        let templates = [
            Self.reply(options: [53, 1, 5, 54, 4, 10, 0, 0, 1, 51, 4, 0, 0, 14, 16, 58, 4, 0, 0, 7, 8, 255]),
            Self.reply(options: [53, 1, 6, 56, 5, 104, 101, 108, 108, 111, 54, 4, 10, 0, 0, 1, 255]),
            Self.reply(
                options: [52, 1, 3, 53, 1, 5, 255], file: [51, 4, 0, 0, 0, 60, 255],
                serverName: [54, 4, 10, 0, 0, 1, 255]),
        ]
        var (read, answers) = (0, 0)
        for _ in 0..<100_000 {
            let bytes = Self.damaged(templates, &random)
            if let answer = request.answer(in: bytes) {
                answers += 1
                if case .refused(_, let words) = answer { #expect(words.utf8.allSatisfy { 32...126 ~= $0 }) }
            }
            let message: DHCPMessage
            do { message = try DHCPMessage(bytes: bytes) } catch { continue }
            read += 1
            if message.options[DHCPOptions.Code.overload] == nil {
                #expect(try DHCPMessage(bytes: message.bytes) == message)
            }
        }
        #expect(read > 20_000 && read < 95_000, "\(read) of the messages were read")
        #expect(answers > 5_000, "\(answers) were answers")
    }

    private static func damaged(_ templates: [[UInt8]], _ random: inout SeededRandom) -> [UInt8] {
        var bytes = templates[Int.random(in: 0..<templates.count, using: &random)]
        switch Int.random(in: 0..<8, using: &random) {
        case 0: return (0..<Int.random(in: 0..<600, using: &random)).map { _ in .random(in: 0...255, using: &random) }
        case 1: return Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &random)))
        case 2: bytes += (0..<300).map { _ in .random(in: 0...255, using: &random) }
        default: break
        }
        for _ in 0..<Int.random(in: 0..<8, using: &random) {
            // Mostly behind the header, where the lengths are.
            let from = Bool.random(using: &random) ? 240 : 0
            bytes[Int.random(in: from..<bytes.count, using: &random)] = .random(in: 0...255, using: &random)
        }
        return bytes
    }
}

@Suite struct LeaseAnswerTests {
    let request = LeaseRequest(
        address: IPv4Address(0x0A00_000F), hardware: DHCPMessageTests.hardware, clientIdentifier: nil,
        transaction: 0xDEAD_BEEF)
    static let ack: [UInt8] = [53, 1, 5, 54, 4, 10, 0, 0, 1, 51, 4, 0, 0, 0, 80]

    private func answer(_ options: [UInt8], _ change: (inout [UInt8]) -> Void = { _ in }) -> LeaseAnswer? {
        var bytes = DHCPMessageTests.reply(options: options + [255])
        change(&bytes)
        return request.answer(in: bytes)
    }

    @Test func whatIsAnAnswer() {
        let server = IPv4Address(0x0A00_0001)
        let terms = LeaseTerms(lease: 80)
        #expect(answer(Self.ack) == .acknowledged(request.address, terms, server: server))
        #expect(answer(Self.ack) { $0[19] = 16 } == .acknowledged(IPv4Address(0x0A00_0010), terms, server: server))
        #expect(answer([53, 1, 5]) == .acknowledged(request.address, nil, server: nil))
        // A server identifier that is of no machine.
        #expect(answer([53, 1, 5, 54, 4, 255, 255, 255, 255]) == .acknowledged(request.address, nil, server: nil))
        #expect(
            answer([53, 1, 6, 54, 4, 10, 0, 0, 1, 56, 6, 0x1B, 0x5B, 0x22, 0x0A, 0xFF, 0x41])
                == .refused(server: server, words: "?[???A"))
    }

    @Test func whatIsNone() {
        #expect(answer(Self.ack) { $0[0] = 1 } == nil, "a request")
        #expect(answer(Self.ack) { $0[7] = 0 } == nil, "another transaction")
        #expect(answer(Self.ack) { $0[33] = 0x57 } == nil, "another card")
        #expect(answer(Self.ack) { $0[2] = 5 } == nil, "half a card")
        #expect(answer(Self.ack) { $0[1] = 6 } == nil, "another kind of card")
        #expect(answer(Self.ack) { $0[236] = 0 } == nil, "no cookie")
        #expect(answer(Self.ack) { $0.replaceSubrange(16..<20, with: [0, 0, 0, 0]) } == nil, "no address")
        #expect(answer([53, 1, 2]) == nil, "an offer")
        #expect(answer([54, 4, 10, 0, 0, 1]) == nil, "no kind")
    }
}
