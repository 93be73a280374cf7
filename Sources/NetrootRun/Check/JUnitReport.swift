import NetrootSite

/// A boot matrix as JUnit XML, as CI systems read it: a suite a label, a case a way
/// (<https://github.com/testmoapp/junitxml>).
public enum JUnitReport {
    /// The document.
    public static func xml(label: String, rows: [BootMatrix.Row]) -> String {
        let failed = rows.filter { !$0.passed && $0.error == nil }.count
        let errors = rows.filter { $0.error != nil }.count
        let time = seconds(rows.reduce(0) { $0 + $1.duration })
        var text = """
            <?xml version="1.0" encoding="UTF-8"?>
            <testsuites>
            <testsuite name="netroot.\(escaped(label))" tests="\(rows.count)" failures="\(failed)" errors="\(errors)" \
            time="\(time)">

            """
        for row in rows { text += testCase(row, label: label) }
        return text + "</testsuite>\n</testsuites>\n"
    }

    private static func testCase(_ row: BootMatrix.Row, label: String) -> String {
        let name = "\(row.transport) \(row.form) \(row.firmware)"
        var text = "<testcase classname=\"netroot.\(escaped(label))\" name=\"\(escaped(name))\" "
        text += "time=\"\(seconds(row.duration))\">\n"
        if let report = row.report {
            text += "<properties>\n"
            for (name, value) in report.seconds.sorted(by: { $0.key < $1.key }) {
                text += "<property name=\"seconds.\(escaped(name))\" value=\"\(seconds(value))\"/>\n"
            }
            for (name, value) in report.bytes.sorted(by: { $0.key < $1.key }) {
                text += "<property name=\"bytes.\(escaped(name))\" value=\"\(value)\"/>\n"
            }
            text += "</properties>\n"
        }
        if let error = row.error {
            text += "<error message=\"\(escaped(error))\"/>\n"
        } else if !row.passed {
            let all = row.failures.joined(separator: "\n")
            text +=
                "<failure message=\"\(escaped(row.failures.first ?? "no check came to an end"))\">\(escaped(all))</failure>\n"
        }
        return text + "</testcase>\n"
    }

    private static func seconds(_ value: Double) -> String { "\((value * 1000).rounded() / 1000)" }

    /// XML 1.0 has no way to write most control characters: they become blanks.
    private static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "\n": result += "&#10;"
            case _ where scalar.value < 0x20 || scalar.value == 0xFFFE || scalar.value == 0xFFFF: result += " "
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
