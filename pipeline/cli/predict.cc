// The verb `predict`: what a trained run says of images that are none of its data.
#include <gflags/gflags.h>

#include <cstdio>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "pipeline/cli/load_graph.h"
#include "pipeline/cli/terminal.h"
#include "pipeline/clock.h"
#include "pipeline/files.h"
#include "pipeline/prediction/image_list.h"
#include "pipeline/prediction/predictor.h"
#include "pipeline/training/device.h"
#include "pipeline/training/signals.h"
#include "pipeline/workspace.h"

DEFINE_string(ensemble, "", "");
DEFINE_string(masks, "masks", "");
DEFINE_int32(batch, 32, "");
DEFINE_int32(mc_dropout, 0, "");
DEFINE_bool(calibrated, false, "");
DEFINE_bool(tta, false, "");

namespace pipeline {
namespace {

constexpr int kMaxBatch = 65536, kMaxDraws = 10000;

absl::StatusOr<PredictionOptions> OptionsOf(uint64_t seed) {
  if (FLAGS_batch < 1 || FLAGS_batch > kMaxBatch) {
    return absl::InvalidArgumentError(
        absl::StrCat("--batch=", FLAGS_batch, ": it is from 1 to ", kMaxBatch));
  }
  if (FLAGS_mc_dropout < 0 || FLAGS_mc_dropout == 1 || FLAGS_mc_dropout > kMaxDraws) {
    return absl::InvalidArgumentError(
        absl::StrCat("--mc-dropout=", FLAGS_mc_dropout, ": it is from 2 to ", kMaxDraws, ", or 0"));
  }
  PredictionOptions options;
  options.batch = static_cast<size_t>(FLAGS_batch);
  options.flips = FLAGS_tta;
  options.calibrated = FLAGS_calibrated;
  options.dropout_draws = FLAGS_mc_dropout;
  options.seed = seed;
  options.masks = FLAGS_masks;
  return options;
}

absl::StatusOr<std::vector<Run>> OpenRuns(const CommandLine& line) {
  std::vector<std::string> words = {line.words[0]};
  const std::vector<std::string> others = absl::StrSplit(FLAGS_ensemble, ',', absl::SkipEmpty());
  words.insert(words.end(), others.begin(), others.end());
  std::vector<Run> runs;
  for (const std::string& word : words) {
    absl::StatusOr<Run> run = OpenRun(word, line.Values("set"));
    if (!run.ok()) return run.status();
    runs.push_back(*std::move(run));
  }
  return runs;
}

// Lines to standard output, or to a file that appears whole.
class Sink {
 public:
  explicit Sink(const std::string& path) {
    if (!path.empty()) file_ = std::make_unique<AtomicFile>(path);
  }
  void Put(const std::string& text) {
    if (file_ == nullptr) {
      std::fwrite(text.data(), 1, text.size(), stdout);
    } else {
      file_->Append(text.data(), text.size());
    }
  }
  absl::Status status() const { return file_ == nullptr ? absl::OkStatus() : file_->status(); }
  absl::Status Finish() {
    if (file_ != nullptr) return file_->Commit();
    return std::fflush(stdout) == 0 ? absl::OkStatus()
                                    : absl::DataLossError("cannot write to standard output");
  }

 private:
  std::unique_ptr<AtomicFile> file_;
};

// Answers all; how many could not be.
absl::StatusOr<size_t> PredictAll(const std::vector<std::string>& files, Predictor* predictor,
                                  Sink* sink) {
  const AnswerFormat format({FLAGS_json, predictor->masks(), predictor->several()},
                            predictor->classes());
  sink->Put(format.Header());
  Terminal terminal;
  const double begun = Now();
  size_t done = 0, failed = 0;
  absl::Status status = predictor->Predict(files, [&](const Answer& answer) {
    sink->Put(format.Line(answer));
    failed += answer.error.empty() ? 0 : 1;
    ++done;
    if (!FLAGS_out.empty()) {
      terminal.Live(
          absl::StrCat(Thousands(static_cast<int64_t>(done)), "/", files.size(), " images  ",
                       static_cast<int64_t>(done / (Now() - begun)), "/s  ",
                       Bar(static_cast<int64_t>(done), static_cast<int64_t>(files.size()))));
    }
    return absl::OkStatus();
  });
  const absl::Status written = sink->Finish();
  if (status.ok()) status = written;
  if (!status.ok()) return status;
  if (!FLAGS_out.empty()) terminal.Line(absl::StrCat(Shown(FLAGS_out), ": ", done, " images"));
  return failed;
}

int Predict(const CommandLine& line) {
  if (line.words.size() < 2) {
    return Complain(absl::InvalidArgumentError(
                        "predict takes a run and images: files, folders, patterns, or - for a "
                        "list on standard input"),
                    kMistake);
  }
  // What cannot be written is known before the work.
  absl::Status status = FLAGS_out.empty() ? absl::OkStatus() : AtomicFile(FLAGS_out).status();
  if (!status.ok()) return Complain(status, kMistake);
  const absl::StatusOr<std::vector<Run>> runs = OpenRuns(line);
  if (!runs.ok()) return Complain(runs.status(), kMistake);
  BuildContext context;
  status = ChooseHardware((*runs)[0].config(), &context);
  if (!status.ok()) return Complain(status, kMistake);
  const absl::StatusOr<PredictionOptions> options = OptionsOf(context.seed);
  if (!options.ok()) return Complain(options.status(), kMistake);
  absl::StatusOr<Predictor> predictor = Predictor::Open(*runs, context, *options);
  if (!predictor.ok()) return Complain(predictor.status(), kMistake);
  const Source& source = predictor->source();
  const absl::StatusOr<std::vector<std::string>> files = ListImages(
      {line.words.begin() + 1, line.words.end()},
      [&source](const std::string& path) { return source.HasImageName(path); }, std::cin);
  if (!files.ok()) return Complain(files.status(), kMistake);
  Sink sink(FLAGS_out);
  if (!sink.status().ok()) return Complain(sink.status(), kMistake);
  if ((*runs)[0].data().embedded_sample) {
    std::fprintf(stderr,
                 "this run learned from the EMBEDDED SAMPLE, drawn images: what it says of "
                 "real ones means nothing\n");
  }
  if (context.device == "cpu") KeepFreedMemory();
  InstallInterruptHandler();
  const absl::StatusOr<size_t> failed = PredictAll(*files, &*predictor, &sink);
  if (!failed.ok()) {
    const int signal = InterruptSignal();
    return Complain(failed.status(), signal != 0 ? kSignal + signal : kFailure);
  }
  if (*failed == 0) return 0;
  return Complain(absl::DataLossError(
                      absl::StrCat(*failed, " of ", files->size(), " images could not be read")),
                  kFailure);
}

}  // namespace

REGISTER_VERB({
    .name = "predict",
    .arguments = "RUN IMAGE...",
    .help =
        "what a trained run says of images: class, probabilities, entropy, masks\n"
        "RUN is a run's folder, or a config whose last run is meant. IMAGE is a file, a folder,\n"
        "a pattern, or - for a list of files on standard input. Prints a line of CSV each, in\n"
        "order; an image that cannot be read is a line with an error, and the exit code 1.\n"
        "A run that learned from tiles sees images by tiles of that size: masks are joined,\n"
        "probabilities averaged.\n"
        "Of a segmenter each line names a mask (a pixel's value is its class, 255 where the\n"
        "model saw nothing) as large as the image; an overlay lies beside it.",
    .flags = {{"json", "", "JSON lines in place of CSV"},
              {"out", "FILE", "where the lines go (default: standard output)"},
              {"masks", "DIR", "where masks and overlays go (default: masks)"},
              {"tta", "", "averages each image and its mirror image"},
              {"ensemble", "RUN1,RUN2", "averages these runs too; adds mutual_information"},
              {"mc_dropout", "N",
               "averages N draws of the model's dropout; adds mutual_information"},
              {"calibrated", "", "puts probabilities right as calibrate found out"},
              {"batch", "N", "images at a time (default: 32)"},
              SetFlag(),
              PluginFlag()},
    .run = Predict,
});

}  // namespace pipeline
