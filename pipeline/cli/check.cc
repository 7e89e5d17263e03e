// The verb `check`: everything but training.
#include <gflags/gflags.h>

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "pipeline/cli/header.h"
#include "pipeline/cli/load_graph.h"
#include "pipeline/cli/study.h"
#include "pipeline/cli/terminal.h"
#include "pipeline/files.h"
#include "pipeline/prediction/image_facts.h"
#include "pipeline/report/data_page.h"
#include "pipeline/training/loop.h"
#include "pipeline/training/signals.h"
#include "pipeline/workspace.h"

DEFINE_bool(decode, false, "");
DEFINE_bool(report, false, "");

namespace pipeline {
namespace {

// Looks at every image, by a graph of its own, whose batches are whole.
absl::Status WriteDataPage(const CommandLine& line, Terminal* terminal) {
  const absl::StatusOr<LoadedGraph> loaded = LoadGraph(line);
  if (!loaded.ok()) return loaded.status();
  BuildContext context;
  context.writes = false;
  const absl::Status built = BuildGraph(*loaded, &context);
  if (!built.ok()) return built;
  InstallInterruptHandler();
  const absl::StatusOr<DataLook> look = DataWatch::LookAtAll(loaded->graph.get());
  if (!look.ok()) return look.status();
  const std::string path = FLAGS_out.empty() ? loaded->config.name + "_data.html" : FLAGS_out;
  const absl::Status written = WriteFileAtomically(
      path, Html(DataPage(loaded->graph->source().data(), look->images, look->galleries)));
  if (written.ok()) terminal->Line("data page: " + Shown(path));
  return written;
}

int CheckConfig(const CommandLine& line) {
  const std::optional<std::string> study = StudyNamed(line);
  if (study.has_value()) return CheckStudy(*study, line);
  const absl::StatusOr<LoadedGraph> loaded = LoadGraph(line);
  if (!loaded.ok()) return Complain(loaded.status(), kMistake);
  BuildContext context;
  context.max_batch = 2;
  context.writes = false;
  absl::Status status = BuildGraph(*loaded, &context);
  if (!status.ok()) return Complain(status, kMistake);
  Graph* graph = loaded->graph.get();
  Loop loop(loaded->config.document, context, graph, {});
  status = loop.Check();
  if (!status.ok()) return Complain(status, kMistake);
  Terminal terminal;
  PrintHeader(loaded->config, context, *graph, &terminal);
  const std::vector<std::string> broken = graph->source().BrokenFiles(FLAGS_decode);
  for (const std::string& name : broken) terminal.Line("broken: " + name);
  if (FLAGS_decode) {
    for (const CopyGroup& copies : context.data->duplicate_groups) terminal.Line(copies.Text());
  }
  status = loop.TryOnce();
  if (!status.ok()) return Complain(status, kFailure);
  if (FLAGS_report) {
    status = WriteDataPage(line, &terminal);
    const int signal = InterruptSignal();
    if (!status.ok()) return Complain(status, signal != 0 ? kSignal + signal : kFailure);
  }
  terminal.Line(absl::StrCat(
      "ok: the graph ran one batch of each phase; ",
      broken.empty() ? (FLAGS_decode ? "every image decodes" : "every image header is readable")
                     : absl::StrCat(broken.size(), " files cannot be used")));
  return broken.empty() ? 0 : kFailure;
}

}  // namespace

REGISTER_VERB({
    .name = "check",
    .arguments = "CONFIG",
    .help = "tries everything but training, in seconds; writes no run\n"
            "Reads every image's header and runs a small batch of each size that passes have.\n"
            "Of a study: counts its runs, and says about how long they take.",
    .flags = {ConfigFlag(),
              SetFlag(),
              {"decode", "", "decode every image; list the broken ones, and copies"},
              {"report", "",
               "write a page about the data: examples, how alike the splits are, what gives\n"
               "labels away, copies"},
              {"out", "FILE.html", "where that page goes (default: CONFIG_data.html)"},
              PluginFlag()},
    .run = CheckConfig,
});

}  // namespace pipeline
