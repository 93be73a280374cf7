import NetrootEntry
import NetrootSite
import NetrootSystem

/// The judgement of a boot check: events in, actions and at last a verdict out; no effects of its own.
struct BootCheckState: Sendable {
    /// Something that happened, told with the seconds since power-on.
    enum Event: Sendable, Equatable {
        case console(ConsoleWatch.Sign)
        case guest(CheckMessage)
        /// A command ran over ssh as this user.
        case loggedIn(user: String)
        /// A login by password was tried.
        case triedPassword(BootCheck)
        /// The machine ended its first boot and is powered on again.
        case rebooted
        case machineEnded(Termination)
        case serverGone(String)
        case deadline(hint: String?)
    }

    /// What the caller has to do.
    enum Action: Sendable, Equatable {
        /// Log in as the ordinary user.
        case logIn
        /// Try whether sshd offers a login by password.
        case tryPassword
        /// Tell the guest to reboot.
        case reboot
        /// The verdict is there.
        case finish
    }

    /// What was decided, in order.
    private(set) var checks: [BootCheck] = []
    /// Seconds from power-on: `kernel`, `root`, `multiUser`, `ssh`.
    private(set) var seconds: [String: Double] = [:]
    /// What the guest measured in its first boot, in bytes: `ram` in use, `network` received, `root` read from a device.
    private(set) var bytes: [String: Int64] = [:]
    /// Whether the first boot has reported, and its logins are done: the moment to read what was served.
    private(set) var firstBootDone = false
    private var received: [BootCheck] = []
    private var boots: [String] = []
    private var kernelStart: Double?
    private var ended = 0
    private var logins: Set<String> = []
    private var finished = false
    private let user: String
    private let timeout: Int
    private let demanded: DemandedChecks
    private let powerOn: Double
    /// The most seconds between the guest's clock and this host's.
    private static let clockTolerance = 120.0

    /// - Parameter powerOn: when that was, in seconds since 1970.
    init(user: String, timeout: Int, demanded: DemandedChecks = .overNetwork, powerOn: Double = 0) {
        self.user = user
        self.timeout = timeout
        self.demanded = demanded
        self.powerOn = powerOn
    }

    /// Whether every check passed, and the check came to its end.
    var passed: Bool { ended >= 2 && !checks.isEmpty && checks.allSatisfy(\.passed) }

    /// Takes one event.
    mutating func receive(_ event: Event, at time: Double) -> [Action] {
        if finished { return [] }
        switch event {
        case .console(.kernel):
            if seconds["kernel"] == nil { seconds["kernel"] = time }
            return []
        case .console(.fatal(let line)), .console(.suspicious(let line)):
            return fail("the console says: \(line)")
        case .guest(let message):
            return receive(message, at: time)
        case .loggedIn(let name):
            logins.insert(name)
            guard name == "root" else {
                checks.append(BootCheck(name: "sshUser", passed: true, detail: "\(name) logs in"))
                return next()
            }
            seconds["ssh"] = time
            checks.append(BootCheck(name: "ssh", passed: true, detail: "root logs in"))
            return (demanded.host.contains(.passwordRefused) ? [.tryPassword] : []) + next()
        case .triedPassword(let check):
            checks.append(check)
            return next()
        case .rebooted:
            return firstBootDone ? [] : fail("the machine rebooted or went off before its report was done")
        case .machineEnded(let termination):
            return fail("QEMU ended with \(termination)")
        case .serverGone(let reason):
            return fail(reason)
        case .deadline(let hint):
            return fail("\(waitingFor) within \(timeout) s" + (hint.map { "; last on the console: \($0)" } ?? ""))
        }
    }

    private mutating func receive(_ message: CheckMessage, at time: Double) -> [Action] {
        switch message {
        case .begin(let boot, let uptime):
            boots.append(boot)
            received = []
            if boots.count == 1 { kernelStart = time - uptime }
            if boots.count == 1, let kernelStart { seconds["kernel"] = kernelStart }
            return []
        case .check(let check):
            return receive(check)
        case .seconds("clock", let value):
            guard boots.count == 1, demanded.host.contains(.hostClock) else { return [] }
            let offset = value - powerOn - time
            checks.append(
                BootCheck(
                    name: DemandedChecks.Host.hostClock.rawValue, passed: abs(offset) <= Self.clockTolerance,
                    detail: "\(Progress.decimal(offset)) s from this host's clock"))
            return []
        case .seconds(let name, let value):
            if boots.count == 1, name != "kernel", let kernelStart { seconds[name] = kernelStart + value }
            return []
        case .bytes(let name, let value):
            if boots.count == 1 { bytes[name] = value }
            return []
        case .end(let sent, let failed):
            guard sent == received.count, failed == received.filter({ !$0.passed }).count else {
                return fail("the guest sent \(sent) checks, \(failed) failed; \(received.count) arrived")
            }
            let missing = demanded.guest.subtracting(received.map(\.name)).sorted()
            guard missing.isEmpty else { return fail("the guest left out \(missing.joined(separator: ", "))") }
            ended = boots.count
            return next()
        case .error(let text):
            return fail("the guest's check: \(text)")
        }
    }

    private mutating func receive(_ check: BootCheck) -> [Action] {
        received.append(check)
        // Without a network there is nothing more to come.
        if check.name == "networkDriver", !check.passed {
            checks.append(check)
            finished = true
            return [.finish]
        }
        guard boots.count > 1 else {
            checks.append(check)
            return check.name == "login" && check.passed ? [.logIn] : []
        }
        if check.name == "noEarlierWrite" {
            let detail = check.detail.isEmpty ? "the first boot's write is gone" : check.detail
            checks.append(BootCheck(name: "goneAfterReboot", passed: check.passed, detail: detail))
        } else if !check.passed {
            checks.append(BootCheck(name: "\(check.name) after reboot", passed: false, detail: check.detail))
        }
        return []
    }

    private mutating func next() -> [Action] {
        if ended >= 2 {
            finished = true
            return [.finish]
        }
        guard ended == 1, !firstBootDone else { return [] }
        // A reboot proves nothing more about a boot that has failed already.
        if checks.contains(where: { !$0.passed }) {
            finished = true
            return [.finish]
        }
        guard logins.isSuperset(of: ["root", user]), undecided.isEmpty else { return [] }
        firstBootDone = true
        return [.reboot]
    }

    private mutating func fail(_ reason: String) -> [Action] {
        checks.append(BootCheck(name: "boot", passed: false, detail: reason))
        finished = true
        return [.finish]
    }

    private var undecided: Set<DemandedChecks.Host> {
        demanded.host.filter { host in !checks.contains { $0.name == host.rawValue } }
    }

    private var waitingFor: String {
        if boots.isEmpty { return seconds["kernel"] == nil ? "no kernel started" : "the guest did not report" }
        if ended == 0 { return "the guest did not end its report" }
        if !logins.contains("root") { return "ssh did not answer" }
        if !logins.contains(user) { return "no login as \(user) over ssh" }
        if let name = undecided.map(\.rawValue).min() { return "nothing was decided of \(name)" }
        return "the machine did not come back after the reboot"
    }
}
