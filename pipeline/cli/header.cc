// Texts about a run, from its config, its data and its test.
#include "pipeline/cli/header.h"

#include <ATen/core/Tensor.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "pipeline/processes.h"
#include "pipeline/runs/summary.h"
#include "pipeline/training/device.h"
#include "pipeline/utf8.h"
#include "pipeline/workspace.h"

namespace pipeline {
namespace {

std::string FirstOr(const std::vector<std::string>& names, const std::string& otherwise) {
  return names.empty() ? otherwise : names[0];
}

// Of a share such as "97.5 %".
Terminal::Tone ToneOf(const std::string& cell) {
  constexpr double kGood = 80, kFair = 50;
  double percent = 0;
  if (!absl::EndsWith(cell, " %") || !absl::SimpleAtod(absl::StripSuffix(cell, " %"), &percent)) {
    return Terminal::Tone::kPlain;
  }
  return percent >= kGood   ? Terminal::Tone::kGood
         : percent >= kFair ? Terminal::Tone::kFair
                            : Terminal::Tone::kPoor;
}

// The first column to the left, the others to the right.
void PrintAligned(const std::vector<std::vector<std::string>>& lines, Terminal* terminal) {
  constexpr int kCell = 9;
  size_t width = 0;
  for (const auto& cells : lines) width = std::max(width, CharactersIn(Printable(cells[0])));
  for (const auto& cells : lines) {
    std::string name = "  " + Printable(cells[0]);
    name.append(width - CharactersIn(Printable(cells[0])), ' ');
    std::vector<std::pair<std::string, Terminal::Tone>> parts = {{name, Terminal::Tone::kPlain}};
    for (size_t i = 1; i < cells.size(); ++i) {
      // The last column says how many there are.
      const bool score = i + 1 < cells.size();
      parts.emplace_back(absl::StrFormat("  %*s", kCell, cells[i]),
                         score ? ToneOf(cells[i]) : Terminal::Tone::kPlain);
    }
    terminal->Line(parts);
  }
}

}  // namespace

void PrintHeader(const LoadedConfig& config, const BuildContext& context, const Graph& graph,
                 Terminal* terminal) {
  const DataInfo& data = *context.data;
  const auto images = [&](Phase phase) {
    return absl::StrCat(Thousands(data.images[PhaseIndex(phase)]));
  };
  if (data.embedded_sample) {
    terminal->Line("EMBEDDED SAMPLE: the data of " + data.dataset +
                   " are not here, so drawn images stand in for them.");
    terminal->Line(
        "What follows shows that the program learns; it says nothing about real images.");
    terminal->Line("");
  }
  std::vector<std::pair<std::string, std::string>> rows = {
      {"config", Shown(config.path)},
      {"data", absl::StrCat(data.dataset, " (", TaskName(data.task), ") from ", data.origin)},
      {"images",
       absl::StrCat(images(TRAIN), " train, ", images(VAL), " val, ", images(TEST), " test")},
  };
  if (data.class_counts[PhaseIndex(TRAIN)].empty()) {
    rows.emplace_back("classes", absl::StrJoin(data.classes, ", "));
  }
  for (size_t i = 0; i < data.class_counts[PhaseIndex(TRAIN)].size(); ++i) {
    std::vector<int64_t> counts;
    for (const auto& phase : data.class_counts) counts.push_back(phase[i]);
    rows.emplace_back(i == 0 ? "classes" : "",
                      absl::StrCat(data.classes[i], " ", absl::StrJoin(counts, " / ")));
  }
  if (!data.split.empty()) rows.emplace_back("split", data.split);
  for (const std::string& note : data.notes) rows.emplace_back("note", note);
  for (const std::string& note : graph.Notes()) rows.emplace_back("note", note);
  const Document& document = config.document;
  int64_t parameters = 0;
  for (const at::Tensor& parameter : graph.Parameters()) parameters += parameter.numel();
  rows.insert(
      rows.end(),
      {{"model", absl::StrCat(FirstOr(PluginsOf(document, "models"), "none"), ", activation ",
                              FirstOr(PluginsOf(document, "activations"), "none"), ", ",
                              Thousands(parameters), " parameters")},
       {"loss", absl::StrJoin(PluginsOf(document, "losses"), " + ")},
       {"device",
        absl::StrCat(context.device,
                     BuiltForGpu() && context.device == "cpu" ? " (no GPU here)" : "", ", ",
                     context.threads, " threads, ", Train::Precision_Name(context.precision),
                     ", seed ", context.seed)}});
  if (context.processes != nullptr) {
    rows.emplace_back("processes", absl::StrCat(context.processes->size(),
                                                "; a batch is that of all of them together"));
  }
  terminal->Table(rows);
}

void PrintReport(const std::string& title, const Report& report, Terminal* terminal) {
  terminal->Line("");
  terminal->Line(title);
  terminal->Table(report.headlines());
  PrintAligned(report.table(), terminal);
  for (const std::string& remark : report.remarks()) terminal->Line("  " + remark);
}

void PrintResult(const DataInfo& data, const Outcome& outcome, Terminal* terminal) {
  if (!outcome.test.has_value()) {
    terminal->Line("");
    terminal->Line("no test result");
    return;
  }
  PrintReport(absl::StrCat("test result on ", data.images[PhaseIndex(TEST)], " images",
                           data.embedded_sample ? " of the EMBEDDED SAMPLE" : "", ", weights of ",
                           outcome.monitored ? absl::StrCat("epoch ", outcome.best_epoch + 1)
                                             : "the last epoch"),
              *outcome.test, terminal);
}

}  // namespace pipeline
