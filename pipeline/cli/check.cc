// The verb `check`: everything but training.
#include <gflags/gflags.h>

#include "absl/strings/str_cat.h"
#include "pipeline/cli/header.h"
#include "pipeline/cli/load_graph.h"
#include "pipeline/cli/terminal.h"
#include "pipeline/training/loop.h"

DEFINE_bool(decode, false, "");

namespace pipeline {
namespace {

int CheckConfig(const CommandLine& line) {
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
    for (const std::string& copies : context.data->duplicate_groups) terminal.Line(copies);
  }
  status = loop.TryOnce();
  if (!status.ok()) return Complain(status, kFailure);
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
    .help = "tries everything but training, in seconds; writes nothing\n"
            "Reads every image's header and runs a small batch of each size that passes have.",
    .flags = {ConfigFlag(),
              SetFlag(),
              {"decode", "", "decode every image; list the broken ones, and copies"},
              PluginFlag()},
    .run = CheckConfig,
});

}  // namespace pipeline
