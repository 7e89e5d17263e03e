// The verb `plot`: a plugin that is a function of one variable, as a picture.
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "pipeline/cli/command_line.h"
#include "pipeline/cli/svg.h"
#include "pipeline/files.h"
#include "pipeline/registry.h"
#include "pipeline/workspace.h"

namespace pipeline {
namespace {

int Plot(const CommandLine& line) {
  if (line.words.size() != 1) {
    return Complain(
        absl::InvalidArgumentError(
            "plot takes one activation, such as lerch or '[activations/Lerch] { s: 1 }'"),
        kMistake);
  }
  const std::string& what = line.words[0];
  const absl::StatusOr<std::string> svg = PlotSvg(what);
  if (!svg.ok()) return Complain(svg.status(), kMistake);
  // "[activations/Lerch] { s: 1 }" -> "lerch.svg".
  const size_t from = what.find('/') == std::string::npos ? 0 : what.find('/') + 1;
  const std::string name = FileNameOf(what.substr(from, what.find(']') - from));
  const std::string path = FLAGS_out.empty() ? absl::StrCat(name, ".svg") : FLAGS_out;
  const absl::Status written = WriteFileAtomically(path, *svg);
  if (!written.ok()) return Complain(written, kFailure);
  std::printf("%s\n", Shown(path).c_str());
  return 0;
}

}  // namespace

REGISTER_VERB({
    .name = "plot",
    .arguments = "NAME",
    .help = "an activation and its derivative, as an SVG picture\n"
            "NAME is such as lerch, or with options '[activations/Lerch] { s: 1 }'.",
    .flags = {{"out", "FILE.svg", "the picture's file (default: <name>.svg)"}, PluginFlag()},
    .run = Plot,
});

}  // namespace pipeline
