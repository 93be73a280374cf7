import NetrootSystem
import Testing

@testable import NetrootRun

@Suite struct CheckMessageTests {
    @Test func linesBecomeMessages() {
        #expect(
            CheckMessage(line: "NETROOT-CHECK 1 begin boot=ab-cd uptime=12.50") == .begin(boot: "ab-cd", uptime: 12.5))
        #expect(
            CheckMessage(line: "NETROOT-CHECK 1 check name=overlay result=pass detail=overlay rw,a=b /\r")
                == .check(BootCheck(name: "overlay", passed: true, detail: "overlay rw,a=b /")))
        #expect(
            CheckMessage(line: "NETROOT-CHECK 1 check name=x result=fail detail=")
                == .check(BootCheck(name: "x", passed: false, detail: "")))
        #expect(
            CheckMessage(line: "NETROOT-CHECK 1 seconds name=root value=9.25") == .seconds(name: "root", value: 9.25))
        #expect(
            CheckMessage(line: "NETROOT-CHECK 1 bytes name=ram value=314253312")
                == .bytes(name: "ram", value: 314_253_312))
        #expect(CheckMessage(line: "NETROOT-CHECK 1 end checks=13 failed=0") == .end(checks: 13, failed: 0))
        #expect(CheckMessage(line: "NETROOT-CHECK 1 aborted line=7") == .error("aborted line=7"))
    }

    @Test(arguments: [
        "", "[    1.0] Linux version", "NETROOT-CHECK 2 end checks=1", "NETROOT-CHECK 1 begin boot=x",
        "NETROOT-CHECK 1 check name=x", "NETROOT-CHECK 1 seconds name=root value=soon", "NETROOT-CHECK 1 frob",
        "NETROOT-CHECK 1 bytes name=ram", "NETROOT-CHECK 1 bytes name=ram value=1.5",
        "NETROOT-CHECK 1 bytes value=1", "NETROOT-CHECK 1 bytes name=ram value=-1",
    ])
    func otherLinesAreNone(_ line: String) {
        #expect(CheckMessage(line: line) == nil)
    }
}

@Suite struct BootCheckStateTests {
    func boot(
        _ state: inout BootCheckState, id: String, failing: String? = nil, at time: Double,
        demanded: DemandedChecks = .overNetwork, clock: Double? = nil
    ) -> [[BootCheckState.Action]] {
        var actions = [state.receive(.guest(.begin(boot: id, uptime: 20)), at: time)]
        if let clock { actions.append(state.receive(.guest(.seconds(name: "clock", value: clock)), at: time)) }
        for name in demanded.guest.sorted() {
            let check = BootCheck(name: name, passed: name != failing, detail: "")
            actions.append(state.receive(.guest(.check(check)), at: time))
        }
        actions.append(state.receive(.guest(.seconds(name: "root", value: 5)), at: time))
        let failed = failing == nil ? 0 : 1
        actions.append(
            state.receive(.guest(.end(checks: demanded.guest.count, failed: failed)), at: time))
        return actions
    }

    @Test func aGoodMachineRebootsOnceAndPasses() {
        var state = BootCheckState(user: "u", timeout: 100)
        #expect(state.receive(.console(.kernel), at: 9) == [])
        let first = boot(&state, id: "1", at: 30)
        #expect(first.flatMap { $0 } == [.logIn])
        #expect(state.receive(.loggedIn(user: "root"), at: 31) == [])
        #expect(state.receive(.loggedIn(user: "u"), at: 32) == [.reboot])
        #expect(state.firstBootDone)
        #expect(!state.passed)
        let second = boot(&state, id: "2", at: 80)
        #expect(second.last == [.finish])
        #expect(state.passed)
        #expect(state.checks.contains { $0.name == "goneAfterReboot" && $0.passed })
        #expect(state.seconds == ["kernel": 10, "root": 15, "ssh": 31])
    }

    @Test func aRootInRAMIsAskedForOtherThings() {
        var state = BootCheckState(user: "u", timeout: 100, demanded: .inRAM, powerOn: 1_000_000)
        let first = boot(&state, id: "1", at: 30, demanded: .inRAM, clock: 1_000_031)
        #expect(first.flatMap { $0 } == [.logIn])
        #expect(
            state.checks.first == BootCheck(name: "hostClock", passed: true, detail: "1.0 s from this host's clock"))
        #expect(state.receive(.loggedIn(user: "u"), at: 31) == [])
        #expect(state.receive(.loggedIn(user: "root"), at: 32) == [.tryPassword])
        let refused = BootCheck(name: "passwordRefused", passed: true, detail: "sshd offers publickey")
        #expect(state.receive(.triedPassword(refused), at: 33) == [.reboot])
        #expect(boot(&state, id: "2", at: 80, demanded: .inRAM, clock: 1).last == [.finish])
        #expect(state.passed, "the clock counts in the first boot")
    }

    @Test func aRootInRAMRebootsWhenAllIsDecided() {
        var state = BootCheckState(user: "u", timeout: 100, demanded: .inRAM, powerOn: 1_000_000)
        _ = boot(&state, id: "1", at: 30, demanded: .inRAM)
        _ = state.receive(.loggedIn(user: "u"), at: 31)
        _ = state.receive(.loggedIn(user: "root"), at: 32)
        _ = state.receive(.triedPassword(BootCheck(name: "passwordRefused", passed: true, detail: "")), at: 33)
        // The guest told no time.
        #expect(!state.firstBootDone)
        #expect(state.receive(.deadline(hint: nil), at: 100) == [.finish])
        #expect(state.checks.last?.detail == "nothing was decided of hostClock within 100 s")
    }

    @Test(arguments: [-121.0, 121]) func aClockThatIsNotTheHostsFails(offset: Double) {
        var state = BootCheckState(user: "u", timeout: 100, demanded: .inRAM, powerOn: 1_000_000)
        _ = state.receive(.guest(.begin(boot: "1", uptime: 20)), at: 30)
        _ = state.receive(.guest(.seconds(name: "clock", value: 1_000_030 + offset)), at: 30)
        #expect(state.checks.last?.name == "hostClock" && state.checks.last?.passed == false)
    }

    @Test func aDriverThatIsMissingEndsTheCheckAtOnce() {
        var state = BootCheckState(user: "u", timeout: 100, demanded: .inRAM)
        _ = state.receive(.guest(.begin(boot: "1", uptime: 20)), at: 30)
        let lacking = BootCheck(
            name: "networkDriver", passed: false, detail: "the machine lacks a driver for PCI 1af4:1000 (virtio_net)")
        #expect(state.receive(.guest(.check(lacking)), at: 30) == [.finish])
        #expect(state.checks == [lacking] && !state.passed)
    }

    @Test(
        arguments: [
            (["root@127.0.0.1: Permission denied (publickey)."], ["publickey"]),
            (
                ["x", "root@h: Permission denied (publickey,password,keyboard-interactive).", ""],
                ["publickey", "password", "keyboard-interactive"]
            ),
            (["ssh: connect to host h port 1: Connection refused"], nil), ([], nil),
        ] as [([String], [String]?)])
    func whatSSHDOffers(lines: [String], methods: [String]?) {
        #expect(GuestLogin.offered(lines) == methods)
    }

    @Test func bytesAreTheFirstBoots() {
        var state = BootCheckState(user: "u", timeout: 100)
        _ = state.receive(.guest(.begin(boot: "1", uptime: 20)), at: 30)
        _ = state.receive(.guest(.bytes(name: "network", value: 5)), at: 30)
        _ = state.receive(.guest(.begin(boot: "2", uptime: 20)), at: 80)
        _ = state.receive(.guest(.bytes(name: "network", value: 9)), at: 80)
        #expect(state.bytes == ["network": 5])
    }

    @Test func aFailedCheckEndsWithoutAReboot() {
        var state = BootCheckState(user: "u", timeout: 100)
        let actions = boot(&state, id: "1", failing: "overlay", at: 30)
        #expect(actions.last == [.finish])
        #expect(!state.passed)
    }

    @Test func aWriteThatSurvivesFails() {
        var state = BootCheckState(user: "u", timeout: 100)
        _ = boot(&state, id: "1", at: 30)
        _ = state.receive(.loggedIn(user: "root"), at: 31)
        _ = state.receive(.loggedIn(user: "u"), at: 31)
        let actions = boot(&state, id: "2", failing: "noEarlierWrite", at: 80)
        #expect(actions.last == [.finish])
        #expect(!state.passed)
        #expect(state.checks.contains { $0.name == "goneAfterReboot" && !$0.passed })
    }

    @Test(arguments: [
        (
            BootCheckState.Event.console(.fatal("Kernel panic - not syncing: x")),
            "the console says: Kernel panic - not syncing: x"
        ),
        (.machineEnded(.exited(1)), "QEMU ended with exit status 1"),
        (.rebooted, "the machine rebooted or went off before its report was done"),
        (.serverGone("gone"), "gone"),
        (.deadline(hint: "mount.nfs: x"), "no kernel started within 100 s; last on the console: mount.nfs: x"),
        (.guest(.error("aborted line=3")), "the guest's check: aborted line=3"),
    ])
    func whatEndsABootIsTheReason(_ event: BootCheckState.Event, _ reason: String) {
        var state = BootCheckState(user: "u", timeout: 100)
        #expect(state.receive(event, at: 50) == [.finish])
        #expect(state.checks == [BootCheck(name: "boot", passed: false, detail: reason)])
        #expect(!state.passed)
        #expect(state.receive(.deadline(hint: nil), at: 60) == [], "the first reason stays")
        #expect(state.checks.count == 1)
    }

    @Test func aReportThatLostALineFails() {
        var state = BootCheckState(user: "u", timeout: 100)
        _ = state.receive(.guest(.begin(boot: "1", uptime: 20)), at: 30)
        _ = state.receive(.guest(.check(BootCheck(name: "overlay", passed: true, detail: ""))), at: 30)
        #expect(state.receive(.guest(.end(checks: 2, failed: 1)), at: 30) == [.finish])
        #expect(state.checks.last?.detail == "the guest sent 2 checks, 1 failed; 1 arrived")
    }

    @Test func aCheckThatWasNotMadeFails() {
        var state = BootCheckState(user: "u", timeout: 100)
        _ = state.receive(.guest(.begin(boot: "1", uptime: 20)), at: 30)
        _ = state.receive(.guest(.check(BootCheck(name: "overlay", passed: true, detail: ""))), at: 30)
        #expect(state.receive(.guest(.end(checks: 1, failed: 0)), at: 30) == [.finish])
        let left = state.checks.last?.detail
        #expect(left?.hasPrefix("the guest left out defaultRoute, fileCapabilities, hostname") == true)
    }

    @Test func aDeadlineSaysWhatIsWaitedFor() {
        var state = BootCheckState(user: "u", timeout: 100)
        _ = state.receive(.console(.kernel), at: 9)
        _ = boot(&state, id: "1", at: 30)
        _ = state.receive(.deadline(hint: nil), at: 100)
        #expect(state.checks.last?.detail == "ssh did not answer within 100 s")
    }
}

@Suite struct ConsoleWatchTests {
    @Test func terminalSequencesAreLeftOut() {
        #expect(ConsoleWatch.plain(Array("\u{1B}[0;1;31mFailed\u{1B}[0m to\u{7}x".utf8)) == "Failed tox")
        #expect(
            ConsoleWatch.plain(Array("Fail\u{9B}31med \u{202E}x".utf8) + [0xFF])
                == #"Fail\xc2\x9b31med \xe2\x80\xaex\xff"#)
    }

    @Test(arguments: [
        ("[    0.000000] Linux version 6.1.0", ConsoleWatch.Sign.kernel),
        ("[    9.1] rootovl: FATAL: no overlay", .fatal("[    9.1] rootovl: FATAL: no overlay")),
        ("Kernel panic - not syncing: VFS", .fatal("Kernel panic - not syncing: VFS")),
        (
            "netroot: FATAL: too little RAM: needs 448 MiB, has 300",
            .fatal("netroot: FATAL: too little RAM: needs 448 MiB, has 300")
        ),
        (
            "netroot: FATAL: the archive is damaged or cut: x",
            .fatal("netroot: FATAL: the archive is damaged or cut: x")
        ),
        ("Initramfs unpacking failed: write error", .suspicious("Initramfs unpacking failed: write error")),
    ])
    func signsAreRecognised(_ line: String, _ sign: ConsoleWatch.Sign) {
        #expect(ConsoleWatch.sign(of: line) == sign)
    }

    @Test func ordinaryLinesAreNoSigns() {
        #expect(ConsoleWatch.sign(of: "[  OK  ] Reached target multi-user.target") == nil)
    }
}

@Suite struct MachineTests {
    static let machine = Machine(
        memory: 1024, cards: [.user(tftp: "/srv/a,b", bootFile: "pxelinux.0", sshPort: 2222)], consoleLog: "/log",
        terminal: false, checkSocket: "/run/check.sock", extra: ["-device", "x"], kvm: false)

    @Test func commasInPathsAreDoubled() {
        #expect(Self.machine.argv.contains { $0.contains("tftp=/srv/a,,b,bootfile=pxelinux.0") })
    }

    @Test func cardsOnTapsBootFromTheFirst() {
        var machine = Self.machine
        machine.cards = [.tap("tap0", mac: "52:54:00:00:00:01"), .tap("tap1", mac: "52:54:00:00:00:02")]
        let argv = machine.argv.joined(separator: " ")
        #expect(argv.contains("-netdev tap,id=n0,ifname=tap0,script=no,downscript=no"))
        #expect(argv.contains("-device virtio-net-pci,netdev=n0,mac=52:54:00:00:00:01 "))
        // Without a ROM the firmware has nothing to boot from it.
        #expect(argv.contains("-device virtio-net-pci,netdev=n1,mac=52:54:00:00:00:02,romfile= "))
        machine.uefi = ("/code", "/variables")
        #expect(machine.argv.contains("virtio-net-pci,netdev=n0,mac=52:54:00:00:00:01,romfile=,bootindex=1"))
        #expect(machine.argv.contains("virtio-net-pci,netdev=n1,mac=52:54:00:00:00:02,romfile="))
    }

    @Test func emulationNeverOffersFastStringsAndKVMIsTheHosts() {
        #expect(Self.machine.argv.contains("max,-erms,-fsrm"))
        var machine = Self.machine
        machine.kvm = true
        #expect(machine.argv.contains("host"))
        #expect(!machine.argv.contains("max,-erms,-fsrm"))
    }

    @Test func extraArgumentsComeLast() {
        #expect(Self.machine.argv.suffix(2) == ["-device", "x"])
    }

    @Test func onlyVirtualisationFlagsAllowKVM() {
        #expect(Machine.supportsVirtualisation("flags\t\t: fpu vmx\n"))
        #expect(Machine.supportsVirtualisation("flags : svm\n"))
        #expect(!Machine.supportsVirtualisation("flags\t\t: fpu svm_lock\nvmx flags : x\n"))
    }
}
