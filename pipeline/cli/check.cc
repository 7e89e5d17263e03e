// The verb `check`: everything but training.
#include <gflags/gflags.h>

#include "absl/strings/str_cat.h"
#include "pipeline/cli/load_graph.h"
#include "pipeline/cli/run_report.h"
#include "pipeline/cli/terminal.h"
#include "pipeline/training/trainer.h"

DEFINE_bool(decode, false, "");

namespace pipeline {
namespace {

int Check(Trainer* trainer, Graph* graph, Terminal* terminal) {
  PrintHeader(trainer->Facts(), terminal);
  const std::vector<std::string> broken = graph->source().BrokenFiles(FLAGS_decode);
  for (const std::string& line : broken) terminal->Line("broken: " + line);
  if (FLAGS_decode) {
    for (const std::string& line : graph->source().data().duplicate_groups) terminal->Line(line);
  }
  const absl::Status tried = trainer->TryOnce();
  if (!tried.ok()) return Complain(tried, kFailure);
  terminal->Line(absl::StrCat(
      "ok: the graph ran one batch of each phase; ",
      broken.empty() ? (FLAGS_decode ? "every image decodes" : "every image header is readable")
                     : absl::StrCat(broken.size(), " files cannot be used")));
  return broken.empty() ? 0 : kFailure;
}

int CheckConfig(const CommandLine& line) {
  const absl::StatusOr<LoadedGraph> loaded = LoadGraph(line);
  if (!loaded.ok()) return Complain(loaded.status(), kMistake);
  BuildContext context;
  context.max_batch = 2;
  context.writes = false;
  absl::Status status = BuildGraph(*loaded, &context);
  if (!status.ok()) return Complain(status, kMistake);
  Terminal terminal;
  Trainer trainer(loaded->config, context, loaded->graph.get(), &terminal);
  status = trainer.CheckMonitor();
  if (!status.ok()) return Complain(status, kMistake);
  return Check(&trainer, loaded->graph.get(), &terminal);
}

}  // namespace

REGISTER_VERB({
    .name = "check",
    .arguments = "CONFIG",
    .help = "tries everything but training, in seconds; writes nothing\n"
            "Reads the header of every image and runs one small batch of each phase.",
    .flags = {ConfigFlag(),
              SetFlag(),
              {"decode", "", "decode every image; list the broken ones, and copies"},
              PluginFlag()},
    .run = CheckConfig,
});

}  // namespace pipeline
