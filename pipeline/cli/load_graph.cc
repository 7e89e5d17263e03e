// From a command line to a graph.
#include "pipeline/cli/load_graph.h"

#include <cstdio>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "pipeline/cli/terminal.h"
#include "pipeline/clock.h"
#include "pipeline/prediction/known_classes.h"
#include "pipeline/runs/resume.h"
#include "pipeline/training/device.h"
#include "pipeline/training/signals.h"
#include "pipeline/workspace.h"

namespace pipeline {
namespace {

// How far the files are read that the data are known by, before there is a graph.
class ReadingLine {
 public:
  void Show(int64_t done, int64_t total) {
    constexpr double kFirst = 10, kNext = 60;  // seconds, where lines stay
    const double now = Now();
    if (total != total_) begun_ = now;  // another pass
    total_ = total;
    const bool live = terminal_.live();
    if (live ? !terminal_.Due() : now < next_) return;
    if (!live && now - begun_ < kFirst) return;
    next_ = now + kNext;
    const double left =
        (now - begun_) / static_cast<double>(done) * static_cast<double>(total - done);
    const std::string where =
        absl::StrCat("reading files ", Thousands(done), "/", Thousands(total));
    if (live)
      return terminal_.Live(absl::StrCat(where, "  eta ", Duration(left), "  ", Bar(done, total)));
    std::fprintf(stderr, "%s, %s left\n", where.c_str(), Duration(left).c_str());
  }

 private:
  Terminal terminal_;
  int64_t total_ = 0;
  double begun_ = 0;
  double next_ = 0;
};

}  // namespace

absl::StatusOr<std::string> FolderOfRun(const std::string& word) {
  std::error_code error;
  if (std::filesystem::exists(word, error)) return word;
  const absl::StatusOr<std::string> config = FindConfig(word);
  if (!config.ok()) {
    return absl::NotFoundError(absl::StrCat(word, ": no such run folder or config"));
  }
  return LatestRun(std::filesystem::path(*config).stem().string());
}

absl::StatusOr<Run> OpenRun(const std::string& word, const std::vector<std::string>& sets) {
  const absl::StatusOr<std::string> folder = FolderOfRun(word);
  if (!folder.ok()) return folder.status();
  return Run::Open(*folder, sets);
}

absl::StatusOr<LoadedGraph> LoadGraph(const CommandLine& line) {
  const absl::StatusOr<std::string> path = FindConfig(line.config);
  if (!path.ok()) return path.status();
  Diagnostics errors;
  absl::StatusOr<LoadedConfig> config = LoadConfig(*path, line.Values("set"), &errors);
  if (!config.ok()) return config.status();
  std::unique_ptr<Graph> graph = Graph::Create(config->document, &errors);
  if (!errors.empty()) return errors.ToStatus();
  return LoadedGraph{*std::move(config), std::move(graph)};
}

absl::Status BuildGraph(const LoadedGraph& loaded, BuildContext* context) {
  const absl::Status chosen = ChooseHardware(loaded.config, context);
  if (!chosen.ok()) return chosen;
  EndOnInterrupt();  // reading may take long, and nothing is lost
  ReadingLine line;
  context->progress = [&line](int64_t done, int64_t total) { line.Show(done, total); };
  const std::string cache = CacheFolder();
  if (!cache.empty()) context->facts_folder = cache + "facts/";
  const absl::Status built = loaded.graph->Build(context);
  context->progress = nullptr;
  return built;
}

absl::StatusOr<LoadedGraph> BuildOnData(const Run& run, BuildContext* context) {
  Diagnostics errors;
  std::unique_ptr<Graph> data = Graph::Create(run.config().document, &errors);
  if (!errors.empty()) return errors.ToStatus();
  auto source = std::make_unique<KnownClasses>(std::move(data), run.data());
  const KnownClasses& known = *source;
  LoadedGraph loaded = {run.config(),
                        Graph::Create(run.config().document, &errors, std::move(source))};
  if (!errors.empty()) return errors.ToStatus();
  context->writes = false;
  context->pretrained = false;
  const absl::Status built = BuildGraph(loaded, context);
  if (!known.mismatch().ok()) return known.mismatch();
  if (!built.ok()) return built;
  return loaded;
}

}  // namespace pipeline
