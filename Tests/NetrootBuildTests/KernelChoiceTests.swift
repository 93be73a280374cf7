import NetrootConfig
import NetrootSystem
import NetrootTree
import Testing

@testable import NetrootBuild

@Suite struct KernelChoiceTests {
    private func choose(
        _ versions: [String], _ pattern: String? = nil, by order: KernelVersionOrder = .linuxVersion
    ) throws -> KernelChoice {
        try KernelChoice(of: Set(versions), by: order, pattern: try pattern.map { try KernelPattern(parsing: $0) })
    }

    @Test(
        "The newest kernel is taken by the order of the root's packages",
        arguments: [
            (["4.18.0-553.el8_10.x86_64", "4.18.0-553.8.1.el8_10.x86_64"], KernelVersionOrder.rpm),
            (["6.9.0-0.rc2.24.fc41.x86_64", "6.9.0-63.fc41.x86_64"], .rpm),
            (["6.4.0-150600.21-default", "6.4.0-150600.23.7-default"], .rpm),
            (["6.1.0-9-amd64", "6.1.0-10-amd64"], .linuxVersion), (["6.12~rc1-amd64", "6.12-amd64"], .rpm),
            (["6.12-rc1-amd64", "6.12-amd64"], .linuxVersion), (["6.10.2-arch1-1", "6.12.1-arch1-1"], .linuxVersion),
        ])
    func newest(versions: [String], order: KernelVersionOrder) throws {
        for list in [versions, versions.reversed()] {
            #expect(try choose(list, by: order).taken == versions[1])
        }
    }

    @Test(
        "A general kernel goes before a newer one for virtual machines, real-time work or debugging",
        arguments: [
            ("6.1.0-39-amd64", "6.1.0-40-cloud-amd64"), ("6.1.0-39-amd64", "6.1.0-40-rt-amd64"),
            ("6.1.0-39-amd64", "6.1.0-40-amd64-dbg"), ("6.8.0-31-generic", "6.8.0-1012-aws"),
            ("6.8.0-31-generic", "6.8.0-31-lowlatency"), ("6.8.0-31-generic", "6.8.0-45-kvm"),
            ("5.14.0-427.el9.x86_64", "5.14.0-430.el9.x86_64+debug"),
            ("5.14.0-427.el9.x86_64", "5.14.0-430.el9.x86_64+rt"),
            ("4.18.0-553.el8_10.x86_64", "4.18.0-553.8.1.el8_10.x86_64.debug"),
            ("4.18.0-553.el8_10.x86_64", "4.18.0-553.rt7.342.el8_10.x86_64"),
            ("5.14.0-427.el9.x86_64", "5.14.0-430.el9.x86_64+rt-debug"),
            ("6.4.0-150600.21-default", "6.4.0-150600.23-kvmsmall"),
            ("6.4.0-150600.21-default", "6.4.0-150600.23-debug"),
            ("6.12.1-arch1-1", "6.12.4-rt7-1-rt"), ("6.6.60-0-lts", "6.6.61-0-virt"),
            ("6.1.0-39-amd64", "0-rescue-0123456789abcdef0123456789abcdef"), ("6.1.0-39-amd64", "6.1.0-39-amd64-kdump"),
            // It runs on every machine.
            ("6.1.0-39-rt-amd64", "6.1.0-40-cloud-amd64"),
        ])
    func flavours(better: String, newer: String) throws {
        for order in KernelVersionOrder.allCases {
            let choice = try choose([newer, better], by: order)
            #expect(choice == (try choose([better, newer], by: order)))
            #expect(choice.taken == better && choice.others == [newer])
        }
    }

    @Test(
        "A kernel for virtual machines or real-time work is taken where there is no other",
        arguments: [
            "6.1.0-40-cloud-amd64", "6.1.0-40-rt-amd64", "6.6.61-0-virt",
        ])
    func alone(version: String) throws {
        let choice = try choose([version])
        #expect(choice.taken == version && choice.note == nil)
        #expect(try choose([version, version + "-dbg"]).taken == version)
    }

    @Test("A debug or rescue kernel is taken only by KERNEL")
    func debugKernels() throws {
        let versions = ["5.14.0-427.el9.x86_64+debug", "0-rescue-0123456789abcdef"]
        let error = #expect(throws: BuildError.self) { try choose(versions, by: .rpm) }
        for words in versions + ["KERNEL = PATTERN"] { #expect(error?.description.contains(words) == true) }
        #expect(try choose(versions, "*+debug", by: .rpm).taken == versions[0])
        #expect(try choose(versions + ["5.14.0-427.el9.x86_64"], "*+debug", by: .rpm).taken == versions[0])
        // A pattern that fits both is no wish for debugging.
        let plain = "5.14.0-400.el9.x86_64"
        #expect(try choose(versions + [plain], "5.14.0-*", by: .rpm).taken == plain)
    }

    @Test("A KERNEL that fits nothing names all the kernels that there are")
    func unmatched() throws {
        let error = #expect(throws: BuildError.self) {
            try choose(["6.1.0-39-amd64", "6.1.0-40-cloud-amd64", "6.1.0-40-dbg"], "6.12*")
        }
        #expect(error?.exitStatus == .usage)
        #expect(
            error?.description == """
                KERNEL = 6.12* in the hosts file fits none of the root's kernels: 6.1.0-39-amd64, 6.1.0-40-cloud-amd64, \
                6.1.0-40-dbg
                correct KERNEL, or add such a kernel to Include
                """)
    }

    @Test("Of several kernels all are named, with what is in their names made harmless")
    func note() throws {
        let choice = try choose(["6.1.0-39-amd64", "6.1.0-40-amd64", "6.1.0-40-cloud-amd64", "6\u{1B}[31m-dbg"])
        #expect(choice.others == ["6.1.0-39-amd64", "6.1.0-40-cloud-amd64", "6\u{1B}[31m-dbg"])
        let note = try #require(choice.note)
        #expect(note.hasPrefix("4 kernels: took 6.1.0-40-amd64, not 6.1.0-39-amd64, 6.1.0-40-cloud-amd64, 6"))
        #expect(note.contains("KERNEL in the hosts file") && !note.contains("\u{1B}"))
    }
}
