// The verb `export`: a run's model as an ONNX file, with its model card.
#include "pipeline/export/export.h"

#include <gflags/gflags.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "pipeline/cli/load_graph.h"
#include "pipeline/export/fold.h"
#include "pipeline/export/model_card.h"
#include "pipeline/export/onnx_file.h"
#include "pipeline/files.h"
#include "pipeline/json.h"
#include "pipeline/runs/calibration.h"
#include "pipeline/workspace.h"

DEFINE_bool(preprocessing, false, "");
DEFINE_bool(fold_batch_norm, false, "");
DECLARE_bool(calibrated);  // of predict

namespace pipeline {
namespace {

constexpr char kSuffix[] = ".onnx";

absl::Status Write(const std::string& path, const absl::StatusOr<std::string>& content) {
  if (!content.ok()) return content.status();
  const absl::Status written = WriteFileAtomically(path, *content);
  if (written.ok()) std::printf("%s\n", Shown(path).c_str());
  return written;
}

// The three files.
absl::Status WriteAll(const Run& run, const OperatorGraph& graph, const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string name = path.substr(slash == std::string::npos ? 0 : slash + 1);
  const auto card = ModelCard(run, graph, name);
  if (!card.ok()) return card.status();
  const std::string stem =
      absl::EndsWith(path, kSuffix) ? path.substr(0, path.size() - sizeof(kSuffix) + 1) : path;
  absl::Status status = Write(path, OnnxFile(graph, run.config().name));
  if (status.ok()) status = Write(stem + ".card.json", JsonText(*card));
  if (status.ok()) status = Write(stem + ".card.md", CardMarkdown(*card));
  return status;
}

int Export(const CommandLine& line) {
  if (line.words.size() != 1) {
    return Complain(absl::InvalidArgumentError(
                        "export takes one run: its folder, or a config whose last run is meant"),
                    kMistake);
  }
  const absl::StatusOr<Run> run = OpenRun(line.words[0], {});
  if (!run.ok()) return Complain(run.status(), kMistake);
  BuildContext context;
  const auto graph = run->MakeGraph(&context);
  if (!graph.ok()) return Complain(graph.status(), kMistake);
  absl::StatusOr<Calibration> calibration = absl::NotFoundError("");
  if (FLAGS_calibrated) {
    calibration = LoadCalibration(*run);
    if (!calibration.ok()) return Complain(calibration.status(), kMistake);
  }
  const ExportOptions options = {FLAGS_preprocessing,
                                 calibration.ok() ? &calibration->scaling : nullptr};
  OperatorGraph operators;
  absl::Status status = ExportGraph(**graph, options, &operators);
  if (status.ok()) status = TellOfRun(*run, &operators);
  if (!status.ok()) {
    return Complain(
        absl::Status(status.code(),
                     absl::StrCat(Shown(run->path()), ": cannot be exported: ", status.message())),
        kMistake);
  }
  if (FLAGS_fold_batch_norm) FoldBatchNorms(&operators);
  const std::string path = FLAGS_out.empty() ? run->File("model.onnx") : FLAGS_out;
  status = WriteAll(*run, operators, path);
  return status.ok() ? 0 : Complain(status, kFailure);
}

}  // namespace

REGISTER_VERB({
    .name = "export",
    .arguments = "RUN",
    .help = "a run's model as an ONNX file (opset 17), with a model card as JSON and Markdown\n"
            "Images of the run's size in, probabilities out. Without --preprocessing the input is\n"
            "what the model takes, float32, scaled as the file's metadata say.",
    .flags = {{"out", "FILE.onnx",
               "the file (default: model.onnx in the run folder); the cards "
               "lie beside it"},
              {"preprocessing", "",
               "uint8 images [N, C, H, W] in: gray and scaling are in the file"},
              {"calibrated", "", "puts probabilities right as calibrate found out"},
              {"fold_batch_norm", "", "batch norms as part of the convolutions before them"},
              PluginFlag()},
    .run = Export,
});

}  // namespace pipeline
