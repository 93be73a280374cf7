import NetrootStore
import NetrootSystem
import TestSupport
import Testing

@testable import NetrootRun

@Suite(.serialized) struct MutatedInputRunTests {
    @Test("The readers of a machine's record and of what a guest says take or refuse what was changed")
    func records() throws {
        let record = BootSession.Record(directory: "/run/netroot/a-1", exports: [])
        let text = Array(try JSON.text(record).utf8)
        try MutatedInput(
            "record of a machine", seeds: [text], tokens: ["null", "[]", "\"", "../"], isError: { $0 is DecodingError }
        ).run { bytes in
            _ = try JSON.value(BootSession.Record.self, from: bytes)
            return true
        }
        let lines = [
            "NETROOT-CHECK 1 begin boot=1 uptime=2.5", "NETROOT-CHECK 1 check name=a result=pass detail=all is well",
            "NETROOT-CHECK 1 seconds name=b value=1.5", "NETROOT-CHECK 1 bytes name=c value=7",
            "NETROOT-CHECK 1 end checks=3 failed=0",
        ]
        let tokens = ["name=", "value=", "detail=", "=", "nan", "inf", " ", "NETROOT-CHECK 1 "]
        try MutatedInput("a guest's checks", seeds: lines.map { Array($0.utf8) }, tokens: tokens).run { bytes in
            CheckMessage(line: String(decoding: bytes, as: UTF8.self)) != nil
        }
    }
}
