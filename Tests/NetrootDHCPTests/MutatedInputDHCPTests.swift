import TestSupport
import Testing

@testable import NetrootDHCP

@Suite(.serialized) struct MutatedInputDHCPTests {
    @Test("The reader of lease records takes or refuses what was changed in one")
    func leaseRecords() throws {
        let record =
            "index=2\nmac=52:54:00:12:34:56\naddress=192.0.2.5\nserver=192.0.2.1\nlease=3600\nrenewal=1800\n"
            + "rebinding=3000\nobtained=12.34\nclient=01525400123456\n"
        let tokens = [
            "index=", "lease=", "obtained=", "client=", "=", "\n", "4294967296", "0.0.0.0", "1e3", ".", "nan",
        ]
        try MutatedInput(
            "lease record", seeds: [Array(record.utf8)], tokens: tokens, isError: { $0 is LeaseRecordError }
        ).run {
            bytes in
            _ = try LeaseRecord(text: String(decoding: bytes, as: UTF8.self))
            return true
        }
    }
}
