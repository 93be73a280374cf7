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
        _ state: inout BootCheckState, id: String, failing: String? = nil, at time: Double
    ) -> [[BootCheckState.Action]] {
        var actions = [state.receive(.guest(.begin(boot: id, uptime: 20)), at: time)]
        for name in BootCheckState.required.sorted() {
            let check = BootCheck(name: name, passed: name != failing, detail: "")
            actions.append(state.receive(.guest(.check(check)), at: time))
        }
        actions.append(state.receive(.guest(.seconds(name: "root", value: 5)), at: time))
        let failed = failing == nil ? 0 : 1
        actions.append(
            state.receive(.guest(.end(checks: BootCheckState.required.count, failed: failed)), at: time))
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
