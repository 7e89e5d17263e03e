// The program: verbs and flags.
#include <dlfcn.h>
#include <gflags/gflags.h>

#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "pipeline/cli/epoch_lines.h"
#include "pipeline/cli/header.h"
#include "pipeline/cli/plot.h"
#include "pipeline/cli/terminal.h"
#include "pipeline/config/config.h"
#include "pipeline/config/describe.h"
#include "pipeline/config/text.h"
#include "pipeline/files.h"
#include "pipeline/graph/dot.h"
#include "pipeline/graph/graph.h"
#include "pipeline/registry.h"
#include "pipeline/runs/curves.h"
#include "pipeline/runs/metrics_csv.h"
#include "pipeline/runs/run.h"
#include "pipeline/runs/summary.h"
#include "pipeline/runs/weights.h"
#include "pipeline/training/device.h"
#include "pipeline/training/loop.h"
#include "pipeline/training/signals.h"
#include "pipeline/workspace.h"

DEFINE_string(config, "", "config");
DEFINE_string(out, "", "run folder");
DEFINE_bool(decode, false, "check: decode every image");

namespace pipeline {
namespace {

constexpr int kMistake = 2;   // the user's: nothing was written
constexpr int kFailure = 1;   // something broke while running
constexpr int kSignal = 128;  // plus the signal, as shells report it

constexpr char kHelp[] =
    R"(Trains image classifiers and segmenters from a config and compares losses and activations.

  pipeline [train] --config=NAME [--set PATH=VALUE]... [--out=DIR]
  pipeline check --config=NAME [--decode]   tries everything but training; writes nothing
  pipeline print-config --config=NAME       the config with includes and --set applied
  pipeline dot --config=NAME                the graph with shapes, for graphviz
  pipeline list                             every plugin
  pipeline describe NAME                    a plugin's options, or those of "train"
  pipeline plot NAME [--out=FILE.svg]       an activation and its derivative, as a picture

  --config=NAME       a path, or a file of the workspace's configs/
  --set PATH=VALUE    changes one value; may be repeated:
                        --set train.epochs=5 --set load.dataset.root=/data/brain
                        --set 'classify.activation=[activations/Relu] {}'
  --out=DIR           where the run's files go (default: runs/<config>/<time>); of plot, the
                      picture's file (default: <name>.svg)
  --decode            with check: decode every image, list the broken ones
  --plugin=FILE.so    loads plugins from outside (CONTRIBUTING.md); may be repeated
)";

struct CommandLine {
  std::string verb = "train";
  std::vector<std::string> arguments;  // after the verb
  std::vector<std::string> sets;
  std::vector<std::string> plugins;
  bool help = false;
};

const std::vector<std::string>& Verbs() {
  static const auto* verbs = new std::vector<std::string>{
      "train", "check", "print-config", "dot", "list", "describe", "plot"};
  return *verbs;
}

int Complain(const absl::Status& status, int code) {
  std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
  return code;
}

absl::Status UnknownFlag(const std::string& argument) {
  const std::string name = argument.substr(0, argument.find('='));
  return absl::InvalidArgumentError(absl::StrCat(
      "no flag ", name,
      DidYouMean(name, {"--config", "--set", "--out", "--decode", "--plugin", "--help"}),
      " (--help shows all)"));
}

// gflags knows no repeated flags, and answers --help with pages: both are taken out before it.
absl::StatusOr<CommandLine> ParseCommandLine(int argc, char** argv) {
  CommandLine line;
  std::vector<char*> for_gflags = {argv[0]};
  std::vector<std::string> words;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const absl::string_view bare =
        absl::string_view(argument).substr(absl::StartsWith(argument, "--") ? 2 : 1);
    if (argument == "--help" || argument == "-h" || argument == "-help") {
      line.help = true;
    } else if (!absl::StartsWith(argument, "-")) {
      words.push_back(argument);
    } else if (bare == "set" || bare == "plugin") {
      if (++i == argc) return absl::InvalidArgumentError(absl::StrCat(argument, " needs a value"));
      (bare == "set" ? line.sets : line.plugins).emplace_back(argv[i]);
    } else if (absl::StartsWith(bare, "set=")) {
      line.sets.emplace_back(bare.substr(4));
    } else if (absl::StartsWith(bare, "plugin=")) {
      line.plugins.emplace_back(bare.substr(7));
    } else {
      const std::string name(bare.substr(0, bare.find('=')));
      if (name != "config" && name != "out" && name != "decode" && name != "nodecode") {
        return UnknownFlag(argument);
      }
      for_gflags.push_back(argv[i]);
      // gflags also takes the value from the next word.
      if (bare == "config" || bare == "out") {
        if (++i == argc) {
          return absl::InvalidArgumentError(absl::StrCat(argument, " needs a value"));
        }
        for_gflags.push_back(argv[i]);
      }
    }
  }
  int count = static_cast<int>(for_gflags.size());
  char** values = for_gflags.data();
  gflags::ParseCommandLineFlags(&count, &values, /*remove_flags=*/true);
  if (words.empty()) return line;
  line.verb = words[0];
  line.arguments.assign(words.begin() + 1, words.end());
  for (const std::string& verb : Verbs()) {
    if (verb != line.verb) continue;
    if (verb == "describe" || verb == "plot" || line.arguments.empty()) return line;
    return absl::InvalidArgumentError(
        absl::StrCat(verb, " takes no argument \"", line.arguments[0], "\""));
  }
  return absl::InvalidArgumentError(absl::StrCat("no verb \"", line.verb,
                                                 "\"; there are: ", absl::StrJoin(Verbs(), ", "),
                                                 DidYouMean(line.verb, Verbs())));
}

// Loads a shared library, whose REGISTER_PLUGIN lines then run.
absl::Status LoadPlugin(const std::string& path) {
  const size_t before = PluginIndex::Get().All().size();
  // Without a slash dlopen would search the system's folders instead of this one.
  const std::string file = absl::StrContains(path, '/') ? path : "./" + path;
  if (dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL) == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("--plugin=", path, ": ", dlerror()));
  }
  if (PluginIndex::Get().All().size() == before) {
    return absl::InvalidArgumentError(
        absl::StrCat("--plugin=", path, ": registers no plugin that was not there before"));
  }
  return absl::OkStatus();
}

int Describe(const std::vector<std::string>& names) {
  if (names.size() != 1) {
    return Complain(absl::InvalidArgumentError("describe takes one name (`list` shows all)"),
                    kMistake);
  }
  const absl::StatusOr<std::string> text = DescribePlugin(names[0]);
  if (!text.ok()) return Complain(text.status(), kMistake);
  std::fputs(text->c_str(), stdout);
  return 0;
}

int Plot(const std::vector<std::string>& names) {
  if (names.size() != 1) {
    return Complain(
        absl::InvalidArgumentError(
            "plot takes one activation, such as lerch or '[activations/Lerch] { s: 1 }'"),
        kMistake);
  }
  const absl::StatusOr<std::string> svg = PlotSvg(names[0]);
  if (!svg.ok()) return Complain(svg.status(), kMistake);
  // "[activations/Lerch] { s: 1 }" -> "lerch.svg".
  const size_t from = names[0].find('/') == std::string::npos ? 0 : names[0].find('/') + 1;
  const std::string name = FileNameOf(names[0].substr(from, names[0].find(']') - from));
  const std::string path = FLAGS_out.empty() ? absl::StrCat(name, ".svg") : FLAGS_out;
  const absl::Status written = WriteFileAtomically(path, *svg);
  if (!written.ok()) return Complain(written, kFailure);
  std::printf("%s\n", Shown(path).c_str());
  return 0;
}

absl::Status ChooseHardware(const LoadedConfig& loaded, BuildContext* context) {
  const Train& train = loaded.document.config.train();
  const auto placed = [&](const absl::Status& status) {
    Diagnostics errors;
    errors.Add(loaded.document.where.Of("train." + OptionOf(status)),
               std::string(status.message()));
    return errors.ToStatus();
  };
  const absl::StatusOr<std::string> device = ChooseDevice(train.device());
  if (!device.ok()) return placed(device.status());
  const absl::StatusOr<Precision> precision = ChoosePrecision(train.precision(), *device);
  if (!precision.ok()) return placed(precision.status());
  context->device = *device;
  context->precision = *precision;
  context->seed = static_cast<uint64_t>(train.seed());
  context->threads = SetThreads(train.threads());
  if (context->device != "cpu") RepeatOnGpu();
  SeedGenerators(context->seed);
  return absl::OkStatus();
}

int Check(const LoadedConfig& loaded, const BuildContext& context, Graph* graph) {
  Terminal terminal;
  Loop loop(loaded.document, context, graph, {});
  const absl::Status sound = loop.Check();
  if (!sound.ok()) return Complain(sound, kMistake);
  PrintHeader(loaded, context, *graph, &terminal);
  const std::vector<std::string> broken = graph->source().BrokenFiles(FLAGS_decode);
  for (const std::string& line : broken) terminal.Line("broken: " + line);
  if (FLAGS_decode) {
    for (const std::string& line : graph->source().data().duplicate_groups) terminal.Line(line);
  }
  const absl::Status tried = loop.TryOnce();
  if (!tried.ok()) return Complain(tried, kFailure);
  terminal.Line(absl::StrCat(
      "ok: the graph ran one batch of each phase; ",
      broken.empty() ? (FLAGS_decode ? "every image decodes" : "every image header is readable")
                     : absl::StrCat(broken.size(), " files cannot be used")));
  return broken.empty() ? 0 : kFailure;
}

int TrainAndTest(const LoadedConfig& loaded, const BuildContext& context, Graph* graph) {
  Terminal terminal;
  // The loop is checked before anything is on disk.
  const absl::Status sound = Loop(loaded.document, context, graph, {}).Check();
  if (!sound.ok()) return Complain(sound, kMistake);
  const absl::StatusOr<Run> run = Run::Create(FLAGS_out, loaded, *graph);
  if (!run.ok()) return Complain(run.status(), kMistake);
  BestWeights weights(run->WeightsFile(), graph);
  MetricsCsv metrics(run->File("metrics.csv"));
  Curves curves(run->File("tensorboard"), loaded.document.config.train().minimize(), graph);
  EpochLines lines(loaded.document.config.train(), graph, &terminal);
  Loop loop(loaded.document, context, graph, {&curves, &metrics, &weights, &lines});
  InstallInterruptHandler();
  if (context.device == "cpu") KeepFreedMemory();
  PrintHeader(loaded, context, *graph, &terminal);
  terminal.Line("");
  const Outcome outcome = loop.Run();
  absl::Status status = outcome.status;
  const absl::Status summarised =
      WriteFileAtomically(run->File("summary.json"), SummaryText(loaded, context, outcome));
  if (status.ok()) status = summarised;
  const std::string kept =
      weights.written()
          ? absl::StrCat(outcome.monitored
                             ? absl::StrCat("the weights of epoch ", outcome.best_epoch + 1, " are")
                             : "the latest weights are",
                         " in ", Shown(run->WeightsFile()))
          : absl::StrCat("no weights are in ", Shown(run->path()));
  if (status.ok() || absl::IsCancelled(status)) {
    PrintResult(*context.data, outcome, &terminal);
    terminal.Line(absl::StrCat("run folder: ", Shown(run->path())));
  }
  if (status.ok()) return 0;
  if (!absl::IsCancelled(status)) {
    Complain(status, kFailure);
    std::fprintf(stderr, "%s\n", kept.c_str());
    return kFailure;
  }
  std::fprintf(stderr, "interrupted after %s steps (%s whole epochs); %s\n",
               absl::StrCat(outcome.counters.steps).c_str(),
               absl::StrCat(outcome.counters.epochs).c_str(), kept.c_str());
  return kSignal + InterruptSignal();
}

// The verbs that need the data: train, check and dot.
int RunGraph(const std::string& verb, const LoadedConfig& loaded, std::unique_ptr<Graph> graph) {
  BuildContext context;
  if (verb == "check") context.max_batch = 2;
  context.writes = verb == "train";
  absl::Status status = ChooseHardware(loaded, &context);
  if (status.ok()) status = graph->Build(&context);
  if (!status.ok()) return Complain(status, kMistake);
  if (verb == "check") return Check(loaded, context, graph.get());
  if (verb == "train") return TrainAndTest(loaded, context, graph.get());
  std::fputs(DotText(*graph).c_str(), stdout);
  return 0;
}

int Main(int argc, char** argv) {
  const absl::StatusOr<CommandLine> line = ParseCommandLine(argc, argv);
  if (!line.ok()) return Complain(line.status(), kMistake);
  if (line->help) {
    std::fputs(kHelp, stdout);
    return 0;
  }
  EnterUsersFolder();
  for (const std::string& plugin : line->plugins) {
    const absl::Status loaded = LoadPlugin(plugin);
    if (!loaded.ok()) return Complain(loaded, kMistake);
  }
  if (line->verb == "list") {
    std::fputs(ListPlugins().c_str(), stdout);
    return 0;
  }
  if (line->verb == "describe") return Describe(line->arguments);
  if (line->verb == "plot") return Plot(line->arguments);

  const absl::StatusOr<std::string> path = FindConfig(FLAGS_config);
  if (!path.ok()) return Complain(path.status(), kMistake);
  Diagnostics errors;
  absl::StatusOr<LoadedConfig> loaded = LoadConfig(*path, line->sets, &errors);
  if (!loaded.ok()) return Complain(loaded.status(), kMistake);
  std::unique_ptr<Graph> graph = Graph::Create(loaded->document, &errors);
  if (!errors.empty()) return Complain(errors.ToStatus(), kMistake);
  if (line->verb == "print-config") {
    std::fputs(PrintText(loaded->document.config).c_str(), stdout);
    return 0;
  }
  return RunGraph(line->verb, *loaded, std::move(graph));
}

}  // namespace
}  // namespace pipeline

int main(int argc, char** argv) { return pipeline::Main(argc, argv); }
