import NetrootSystem
import NetrootTree
import TestSupport
import Testing

@Suite struct KernelVersionOrderTests {
    private func expect(_ one: String, _ other: String, _ order: Int, by rule: KernelVersionOrder) {
        #expect(rule.compare(one, other) == order)
        #expect(rule.compare(other, one) == -order)
        #expect(rule.compare(one, one) == 0)
        #expect(rule.compare(other, other) == 0)
    }

    /// What rpm's own tests say (tests/rpmvercmp.at), and of them what is marked as odd.
    @Test(arguments: [
        ("1.0", "2.0", -1), ("2.0.1", "2.0.1", 0), ("2.0", "2.0.1", -1), ("2.0.1a", "2.0.1", 1),
        ("5.5p1", "5.5p2", -1), ("5.5p1", "5.5p10", -1), ("10xyz", "10.1xyz", -1), ("xyz10", "xyz10.1", -1),
        ("xyz.4", "8", -1), ("xyz.4", "2", -1), ("5.5p2", "5.6p1", -1), ("5.6p1", "6.5p1", -1),
        ("6.0.rc1", "6.0", 1), ("10b2", "10a1", 1), ("10a2", "10b2", -1), ("1.0aa", "1.0a", 1),
        ("10.0001", "10.1", 0), ("10.0001", "10.0039", -1), ("4.999.9", "5.0", -1), ("20101121", "20101122", -1),
        ("2_0", "2.0", 0), ("a+", "a_", 0), ("+a", "_a", 0), ("+_", "_+", 0), ("+", "_", 0),
        ("1.0~rc1", "1.0", -1), ("1.0~rc1", "1.0~rc2", -1), ("1.0~rc1~git123", "1.0~rc1", -1),
        ("1.0^", "1.0", 1), ("1.0^git1", "1.0", 1), ("1.0^git1", "1.0^git2", -1), ("1.0^git1", "1.01", -1),
        ("1.0^20160101", "1.0.1", -1), ("1.0^20160101^git1", "1.0^20160102", -1), ("1.0~rc1^git1", "1.0~rc1", 1),
        ("1.0^git1~pre", "1.0^git1", -1), ("1.0^git1", "1.0^git1~pre", 1),
        ("1b.fc17", "1.fc17", -1), ("1g.fc17", "1.fc17", 1), ("1.1.α", "1.1.ββ", 0),
    ])
    func rpmOrdersVersions(_ one: String, _ other: String, _ order: Int) {
        expect(one, other, order, by: .rpm)
        // A release is ordered in the same way.
        expect("6-" + one, "6-" + other, order, by: .rpm)
    }

    @Test(arguments: [
        ("4.18.0-553.el8_10.x86_64", "4.18.0-553.8.1.el8_10.x86_64"),
        ("5.14.0-427.13.1.el9_4.x86_64", "5.14.0-427.16.1.el9_4.x86_64"),
        ("5.14.0-99.el9.x86_64", "5.14.0-427.el9.x86_64"),
        // Fedora: a release candidate, and the release.
        ("6.9.0-0.rc2.24.fc41.x86_64", "6.9.0-63.fc41.x86_64"),
        ("6.8.5-301.fc40.x86_64", "6.8.10-300.fc40.x86_64"),
        // SUSE: with the name of the flavour.
        ("6.4.0-150600.21-default", "6.4.0-150600.21.2-default"),
        ("5.14.21-150400.24.100-default", "6.4.0-150600.21-default"),
        // A longer version is no longer release.
        ("6.1-99.el9", "6.1.1-1.el9"),
    ])
    func rpmOrdersKernels(_ older: String, _ newer: String) { expect(older, newer, -1, by: .rpm) }

    /// What DebianLinux.pm's comments and linux-version(1) say, and kernels of Debian, its derivatives and Arch Linux.
    @Test(arguments: [
        ("2.6.32-5-amd64", "2.6.32-10-amd64", -1), ("2.6.32", "2.6.32", 0), ("2.6.37-rc1", "2.6.37", -1),
        ("2.6.37-rc1", "2.6.37-rc2", -1), ("2.6.37-trunk-amd64", "2.6.37-1-amd64", -1),
        ("2.6.37-rc1-amd64", "2.6.37-trunk-amd64", -1), ("2.6.39-rc5-amd64", "2.6.39-2-amd64", -1),
        // A dot follows a hyphen.
        ("2.6.32-99", "2.6.32.1", -1), ("2.6.32", "2.6.32-1", -1), ("2.6.32", "2.6.32.1", -1),
        ("6.1.0-9-amd64", "6.1.0-10-amd64", -1), ("5.14.0", "6.1.0", -1), ("6.1.9", "6.1.10", -1),
        ("6.1.0-10-amd64", "6.1.0-10-cloud-amd64", -1), ("6.1.0-10-cloud-amd64", "6.12.0-1-amd64", -1),
        // More than the two words begins like a release candidate, and is none.
        ("6.1-rcx", "6.1", 1), ("6.9-rc1", "6.9-rc10", -1), ("06.01", "6.1", 0), ("6.1", "6.1a", -1),
        ("6.12.1-arch1-1", "6.12.2-arch1-1", -1), ("6.12.arch1-1", "6.12.1.arch1-1", 1), ("6.1.0+", "6.1.0-1", -1),
        ("6.1--1", "6.1-1", -1), ("", "6", -1), ("", "-rc1", 1),
    ])
    func linuxVersionOrdersVersions(_ one: String, _ other: String, _ order: Int) {
        expect(one, other, order, by: .linuxVersion)
    }

    // MARK: - Against the real tools

    /// Pairs that differ in little, made of what kernels' versions are made of.
    private func pairs(_ count: Int, parts: [String], prefix: String = "") -> [(String, String)] {
        var random = SeededRandom(seed: 11)
        func part() -> String { parts.randomElement(using: &random) ?? "" }
        return (0..<count).map { _ in
            var one = (0..<Int.random(in: 1...6, using: &random)).map { _ in part() }
            let before = prefix + one.joined()
            for _ in 0..<Int.random(in: 0...2, using: &random) {
                one[Int.random(in: 0..<one.count, using: &random)] = part()
            }
            if Bool.random(using: &random) { one.append(part()) }
            return (before, prefix + one.joined())
        }
    }

    private func check(_ pairs: [(String, String)], _ printed: String, by rule: KernelVersionOrder) {
        let orders = printed.split(whereSeparator: \.isWhitespace).map { Int($0) }
        #expect(orders.count == pairs.count)
        for (pair, order) in zip(pairs, orders) {
            #expect(rule.compare(pair.0, pair.1) == order, "\(pair)")
        }
        // Else they would say little.
        #expect(orders.filter { $0 == 0 }.count < pairs.count / 2 && orders.contains(0))
    }

    @Test func rpmAgrees() async throws {
        guard Tool("rpm", package: "rpm").path != nil else { try Test.cancel("rpm is not installed") }
        let parts = ["0", "1", "9", "10", "010", ".", "_", "+", "~", "^", "a", "el8", "rc1", "Z", "é"]
        let pairs = pairs(600, parts: parts, prefix: "6-1")
        let table = pairs.map { "{\"\($0.0)\",\"\($0.1)\"}" }.joined(separator: ",")
        let script = "local r = {} for _, p in ipairs({\(table)}) do r[#r + 1] = rpm.vercmp(p[1], p[2]) end"
        let command = Command(["rpm", "--eval", "%{lua: \(script) print(table.concat(r, ' '))}"])
        check(pairs, try await CommandRunner().capture(command), by: .rpm)
    }

    @Test func linuxVersionAgrees() async throws {
        guard Tool("linux-version", package: "linux-base").path != nil else {
            try Test.cancel("linux-base is not installed")
        }
        let parts = ["0", "1", "9", "10", "010", ".", "-", "-rc", "-trunk", "rc", "-amd", "a", "Z", "+", "~", "é"]
        let pairs = pairs(600, parts: parts)
        // What linux-version(1) calls, so that one process does.
        let loop = "while (<STDIN>) { chomp; print version_cmp(split(/ /, $_, 2)), qq{\\n} }"
        let input = Array(pairs.map { "\($0.0) \($0.1)\n" }.joined().utf8)
        let printed = try await CommandRunner().capture(
            Command(["perl", "-MDebianLinux=version_cmp", "-e", loop]), input: input)
        check(pairs, printed, by: .linuxVersion)
    }
}
