#!/usr/bin/env python3
"""What scripts/bench leaves to Python: measuring a command, and the tables of docs/benchmarks.md.

bench.py measure LOG COMMAND...           "CPU WALL OWN LARGEST": seconds, and peak MiB of the command itself and of
                                          the largest of its processes
bench.py pairs A B FILE [--own]           a table of A against B; a line of FILE is WHAT, PAIR, A's figures, B's
                                          figures, divided by tabs; figures as measure prints them, then maybe bytes
bench.py nfs A B FILE                     the same of nfsload; a line is CONNECTIONS OPERATION, PAIR, A's JSON, B's JSON
bench.py memory A PID B PID               the memory of two running servers
bench.py boots WAY FILE...                seconds to ssh of the boot checks of one pair as a row
bench.py boot WAY FILE                    one boot check as a row
bench.py failed FILE                      why a boot check failed, in one line
"""
import json
import os
import statistics
import sys
import time

MIB = 1 << 20


def row(*cells):
    print("| %s |" % " | ".join(str(cell) for cell in cells))


def header(*cells):
    print()
    row(*cells)
    row(*["---"] * len(cells))


def ratio(a, b):
    return a / b if b else None


def shown(value, digits=2):
    return "-" if value is None else "%.*f" % (digits, value)


def status_of(pid, *keys):
    """Values of /proc/PID/status in bytes; None where the process has no memory any more."""
    with open("/proc/%s/status" % pid) as file:
        found = dict(line.split(":", 1) for line in file)
    return [int(found[key].split()[0]) << 10 if key in found else None for key in keys]


def measure(log, *command):
    start = time.monotonic()
    pid = os.fork()
    if pid == 0:
        target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(target, 1)
        os.dup2(target, 2)
        try:
            os.execvp(command[0], command)
        except OSError as error:
            sys.exit("bench: %s: %s" % (command[0], error))
    own = 0
    while True:
        ended, status, used = os.wait4(pid, os.WNOHANG)
        if ended:
            break
        # The kernel keeps the peak of a process that has ended only together with its children's.
        try:
            own = max(own, status_of(pid, "VmHWM")[0] or 0)
        except OSError:
            pass
        time.sleep(0.01)
    wall = time.monotonic() - start
    if status != 0:
        with open(log, errors="replace") as file:
            sys.stderr.writelines(file.readlines()[-20:])
        sys.exit("bench: status %d: %s" % (os.waitstatus_to_exitcode(status), " ".join(command)))
    print("%.2f %.2f %.1f %.1f" % (used.ru_utime + used.ru_stime, wall, own / MIB, used.ru_maxrss / 1024))


def lines(path):
    with open(path) as file:
        return [line.rstrip("\n").split("\t") for line in file]


def medians(rows, digits):
    """Medians of the ratios of each WHAT that has more than one pair, in the order of the first ones."""
    for what in dict.fromkeys(what for what, _ in rows):
        found = [ratios for name, ratios in rows if name == what]
        if len(found) > 1:
            columns = [[value for value in column if value is not None] for column in zip(*found)]
            yield what, [
                shown(statistics.median(column) if column else None, digit) for column, digit in zip(columns, digits)]


def pairs(a, b, path, *options):
    own = "--own" in options
    data = [(what, pair, [float(x) for x in left.split()], [float(x) for x in right.split()])
            for what, pair, left, right in lines(path)]
    sized = any(len(left) > 4 for _, _, left, _ in data)
    figures = "CPU s, wall s, " + ("own MiB, largest MiB" if own else "MiB") + (", bytes" if sized else "")
    names = ["CPU", "wall"] + (["own memory", "largest memory"] if own else ["memory"]) + (["size"] if sized else [])
    header("what", "pair", "%s: %s" % (a, figures), b, *[name + " ratio" for name in names])

    def text(values):
        memory = ["%.1f" % value for value in (values[2:4] if own else values[3:4])]
        size = ["%d" % value for value in values[4:5]]
        return ", ".join(["%.2f" % values[0], "%.2f" % values[1]] + memory + size)

    digits = [3, 3] + [3] * (2 if own else 1) + [3]
    rows = []
    for what, pair, left, right in data:
        used = [0, 1] + ([2, 3] if own else [3]) + ([4] if sized else [])
        ratios = [ratio(left[index], right[index]) for index in used]
        rows.append((what, ratios))
        row(what, pair, text(left), text(right), *[shown(value, digit) for value, digit in zip(ratios, digits)])
    for what, values in medians(rows, digits):
        row(what, "median", "", "", *values)


def nfs(a, b, path):
    rate, cost = "operationsPerSecond", "serverMicrosecondsPerOperation"
    header("connections, operation", "pair", a + " /s", b + " /s", "ratio", a + " us CPU", b + " us CPU", "ratio")
    rows = []
    for what, pair, left, right in lines(path):
        left, right = json.loads(left), json.loads(right)
        ratios = [ratio(left[rate], right[rate]), ratio(left[cost], right[cost])]
        rows.append((what, ratios))
        row(what, pair, "%.0f" % left[rate], "%.0f" % right[rate], shown(ratios[0]), "%.1f" % left[cost],
            "%.1f" % right[cost], shown(ratios[1]))
    for what, values in medians(rows, [2, 2]):
        row(what, "median", "", "", values[0], "", "", values[1])


def memory(a, first, b, second):
    header("server after the load", "resident MiB", "of it anonymous", "peak MiB")
    figures = [status_of(pid, "VmRSS", "RssAnon", "VmHWM") for pid in (first, second)]
    for name, values in zip((a, b), figures):
        row(name, *["%.1f" % (value / MIB) for value in values])
    row("ratio", *[shown(ratio(left, right)) for left, right in zip(*figures)])


def report(path):
    try:
        with open(path) as file:
            return json.load(file)
    except (OSError, ValueError):
        return {"seconds": {}, "bytes": {}, "checks": []}


def boots(pair, *paths):
    stages = ("kernel", "root", "multiUser", "ssh")
    seconds = [report(path)["seconds"] for path in paths]
    cells = [" ".join(shown(found.get(stage), 1) for stage in stages) for found in seconds]
    for found in seconds[1:]:
        both = "ssh" in seconds[0] and "ssh" in found
        cells.append(shown(ratio(seconds[0]["ssh"], found["ssh"]) if both else None))
    row(pair, *cells)


def boot(way, path):
    found = report(path)
    seconds, sizes = found["seconds"], found["bytes"]
    files = sizes["tftp"] + sizes.get("http", 0) if "tftp" in sizes else None

    def mib(value):
        return shown(value / MIB if value is not None else None, 1)

    row(way, found.get("loader", "-"), *[shown(seconds.get(name), 1) for name in ("kernel", "root", "ssh")],
        shown(seconds.get("server")), mib(files), mib(sizes.get("root")), mib(sizes.get("ram")))


def failed(path):
    reasons = ["%(name)s: %(detail)s" % check for check in report(path)["checks"] if not check["passed"]]
    print("; ".join(reasons) or "it did not come to a boot")


commands = {"measure": measure, "pairs": pairs, "nfs": nfs, "memory": memory, "boots": boots, "boot": boot,
            "failed": failed}
if len(sys.argv) < 2 or sys.argv[1] not in commands:
    sys.exit(__doc__)
commands[sys.argv[1]](*sys.argv[2:])
