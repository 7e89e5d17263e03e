// The verb `plot`: plugins that are functions of one variable, as a picture.
#include <cstdio>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "pipeline/cli/command_line.h"
#include "pipeline/cli/svg.h"
#include "pipeline/config/config.h"
#include "pipeline/config/describe.h"
#include "pipeline/config/text.h"
#include "pipeline/files.h"
#include "pipeline/registry.h"
#include "pipeline/workspace.h"

namespace pipeline {
namespace {

absl::Status Mistake(const std::string& what, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(what, ": ", why));
}

// "focal { gamma: 5 }" -> "[losses/Focal] { gamma: 5 }".
absl::StatusOr<std::string> LongForm(const std::string& what) {
  if (absl::StartsWith(what, "[")) return what;
  const size_t brace = what.find('{');
  const std::string word(absl::StripAsciiWhitespace(what.substr(0, brace)));
  const absl::StatusOr<PluginName> name = FindPlugin(word);
  if (!name.ok()) return name.status();
  const std::string options = brace == std::string::npos ? "{}" : what.substr(brace);
  return absl::StrCat("[", name->Url(), "] ", options);
}

// Outside quotes.
bool BracesMatch(const std::string& text) {
  int depth = 0;
  char quote = 0;
  for (const char c : text) {
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '{') {
      ++depth;
    } else if (c == '}' && --depth < 0) {
      return false;
    }
  }
  return depth == 0;
}

absl::StatusOr<google::protobuf::Any> Parse(const std::string& text) {
  if (!BracesMatch(text)) return Mistake(text, "its braces do not match");
  Node node;
  const absl::Status parsed = ParseFields(absl::StrCat("plugin { ", text, " }"), &node);
  if (!parsed.ok()) return Mistake(text, parsed.message());
  return node.plugin();
}

// `what` is a plugin's name, as `describe` takes it, with or without options: "lerch",
// "focal { gamma: 5 }", "[activations/Lerch] { s: 1 }".
absl::StatusOr<Plotted> PlottedOf(const std::string& what) {
  const absl::StatusOr<std::string> text = LongForm(what);
  if (!text.ok()) return text.status();
  const absl::StatusOr<google::protobuf::Any> plugin = Parse(*text);
  if (!plugin.ok()) return plugin.status();
  const PluginName name = NameOf(*plugin);
  const auto plotter = Plotter::All().find(name.folder);
  if (plotter == Plotter::All().end()) {
    std::vector<std::string> folders;
    for (const auto& [folder, draw] : Plotter::All()) folders.push_back(folder);
    return Mistake(what, absl::StrCat("only plugins of ", absl::StrJoin(folders, " and "),
                                      " are functions that can be drawn"));
  }
  const absl::Status valid = ValidatePlugin(*plugin, name.folder);
  if (!valid.ok()) return Mistake(what, valid.message());
  absl::StatusOr<std::vector<Curve>> curves = plotter->second(*plugin);
  if (!curves.ok()) return Mistake(what, curves.status().message());
  return Plotted{*text, name.file, *std::move(curves)};
}

int Plot(const CommandLine& line) {
  if (line.words.empty() || line.words.size() > kMostPlotted) {
    return Complain(absl::InvalidArgumentError(absl::StrCat(
                        "plot takes 1 to ", kMostPlotted,
                        " activations or losses, such as lerch or 'focal { gamma: 5 }'")),
                    kMistake);
  }
  std::vector<Plotted> all;
  std::vector<std::string> files;
  for (const std::string& word : line.words) {
    absl::StatusOr<Plotted> plotted = PlottedOf(word);
    if (!plotted.ok()) return Complain(plotted.status(), kMistake);
    if (!absl::c_linear_search(files, plotted->file)) files.push_back(plotted->file);
    all.push_back(*std::move(plotted));
  }
  const std::string path =
      FLAGS_out.empty() ? absl::StrCat(absl::StrJoin(files, "_"), ".svg") : FLAGS_out;
  const absl::Status written = WriteFileAtomically(path, SvgOf(all));
  if (!written.ok()) return Complain(written, kFailure);
  std::printf("%s\n", Shown(path).c_str());
  return 0;
}

}  // namespace

REGISTER_VERB({
    .name = "plot",
    .arguments = "NAME...",
    .help = "activations and losses with their slopes, as an SVG picture\n"
            "NAME is such as lerch, or with options 'focal { gamma: 5 }'. A loss is drawn\n"
            "against the probability of the true class; one of sums over an image, such as\n"
            "dice, against the overlap with an object. Several share one picture.",
    .flags = {{"out", "FILE.svg", "the picture's file (default: the names, and .svg)"},
              PluginFlag()},
    .run = Plot,
});

}  // namespace pipeline
