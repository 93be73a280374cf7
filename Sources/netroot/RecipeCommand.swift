import ArgumentParser
import NetrootConfig
import NetrootStore
import NetrootSystem

struct RecipeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "recipe", abstract: "Say what a recipe holds, and what a build makes of it.",
        discussion: """
            Reads an Apptainer definition file; builds and fetches nothing. With --json an
            array, one object a stage, with the field names of Apptainer's own definition
            JSON; bytes of a script that are no UTF-8 are shown as U+FFFD there.

            A mistake in the recipe ends with exit status 64. What netroot cannot build yet
            is not a mistake: it is said in the account.

            Examples:
              netroot recipe recipes/debian12-base.def
              netroot recipe site.def --build-arg SUITE=trixie --json
            """)

    @OptionGroup var common: CommonOptions
    @Argument(help: "The definition file.", completion: .file())
    var file: String
    @OptionGroup var arguments: BuildArgumentOptions
    @OptionGroup var output: JSONOption

    func run() async throws {
        let (values, skipped) = try arguments.values()
        let recipe = try Recipe(
            bytes: try Files.read(CommonOptions.absolute(file), limit: 4 << 20), path: file, arguments: values)
        for warning in skipped + recipe.warnings { FileWriter.standardError.write("netroot: warning: \(warning)\n") }
        FileWriter.standardOutput.write(
            output.json ? try JSON.text(recipe.stages.map(StageRow.init)) : RecipeReport.text(recipe))
    }
}

/// A stage of a recipe, as `recipe --json` shows it: `Definition` in Apptainer's `pkg/build/types/definition.go`.
struct StageRow: Encodable {
    let header: [String: String]?
    let imageData: ImageData
    let buildData: BuildData
    let customData: [String: String]?
    let appOrder: [String]

    struct ImageData: Encodable {
        let labels: [String: String]
        let imageScripts: [String: Script]
    }

    struct BuildData: Encodable {
        let files: [Files]
        let buildScripts: [String: Script]
    }

    struct Files: Encodable {
        let args: String
        let files: [File]
    }

    struct File: Encodable {
        let source: String
        /// Empty where the recipe names none.
        let destination: String
    }

    struct Script: Encodable {
        let args: String
        let script: String

        init(_ script: Recipe.Script?) {
            args = script?.arguments ?? ""
            self.script = script?.text ?? ""
        }
    }

    private enum CodingKeys: CodingKey { case header, imageData, buildData, customData, appOrder }

    init(_ stage: Recipe.Stage) {
        let entries = stage.header.entries.map { ($0.key, $0.shownValue) }
        header = entries.isEmpty ? nil : Dictionary(entries) { $1 }
        func script(_ section: RecipeSection) -> Script { Script(stage.scripts[section]) }
        imageData = ImageData(
            labels: Dictionary(stage.labels.map { ($0.name, $0.value) }) { $1 },
            imageScripts: [
                "help": script(.help), "environment": script(.environment), "runScript": script(.runscript),
                "test": script(.test), "startScript": script(.startscript),
            ])
        buildData = BuildData(
            files: stage.allFiles.map { files in
                Files(
                    args: files.arguments,
                    files: files.copies.map { File(source: $0.source, destination: $0.destination ?? "") })
            },
            buildScripts: [
                "arguments": script(.arguments), "pre": script(.pre), "setup": script(.setup), "post": script(.post),
                "test": script(.test),
            ])
        let custom = stage.appSections.map { ("\($0.section) \($0.app)", $0.script.text) }
        customData = custom.isEmpty ? nil : Dictionary(custom) { $1 }
        appOrder = stage.appOrder
    }

    /// A header or apps that are not there are null, as Apptainer writes them.
    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(header, forKey: .header)
        try container.encode(imageData, forKey: .imageData)
        try container.encode(buildData, forKey: .buildData)
        try container.encode(customData, forKey: .customData)
        try container.encode(appOrder, forKey: .appOrder)
    }
}
