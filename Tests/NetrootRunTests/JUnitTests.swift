import NetrootSystem
import TestSupport
import Testing

@testable import NetrootRun

@Suite struct JUnitTests {
    static let report = BootReport(
        label: "a", generation: 1, transport: "nfs", form: "tree", firmware: "bios", loader: "ipxe", passed: true,
        checks: [], seconds: ["ssh": 20.5], bytes: ["ram": 1 << 20], console: nil)

    @Test func document() throws {
        let rows = [
            BootMatrix.Row(
                transport: "nfs", form: "tree", firmware: "bios", passed: true, duration: 41.25, report: Self.report,
                error: nil),
            BootMatrix.Row(
                transport: "nbd", form: "squashfs", firmware: "uefi", passed: false, duration: 1, report: nil,
                error: "<no> \"server\" & \u{1B}nothing"),
            BootMatrix.Row(
                transport: "http", form: "squashfs", firmware: "bios", passed: false, duration: 2,
                report: BootReport(
                    label: "a", generation: 1, transport: "http", form: "squashfs", firmware: "bios", loader: "ipxe",
                    passed: false, checks: [BootCheck(name: "overlay", passed: false, detail: "ext4 > nothing")],
                    seconds: [:], bytes: [:], console: "/c"), error: nil),
        ]
        try expectGolden("junit", JUnitReport.xml(label: "a", rows: rows))
    }
}
