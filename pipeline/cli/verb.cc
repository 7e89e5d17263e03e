// The registered verbs, and the help that is made of them.
#include "pipeline/cli/verb.h"

#include <algorithm>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "pipeline/utf8.h"

namespace pipeline {
namespace {

constexpr char kDefault[] = "train";

std::vector<Verb>& Registered() {
  static auto* verbs = new std::vector<Verb>();
  return *verbs;
}

// "check CONFIG", "[train] CONFIG".
std::string Usage(const Verb& verb) {
  return absl::StrCat(verb.name == kDefault ? absl::StrCat("[", verb.name, "]") : verb.name,
                      verb.arguments.empty() ? "" : " ", verb.arguments);
}

// "  left   right", with the right's further lines below its first.
std::string Row(const std::string& left, const std::string& right, int width) {
  std::string text;
  for (const absl::string_view line : absl::StrSplit(right, '\n')) {
    absl::StrAppendFormat(&text, "  %-*s  %s\n", width, text.empty() ? left : "", line);
  }
  return text;
}

std::string Spelled(const Flag& flag) {
  return absl::StrCat("--", absl::StrReplaceAll(flag.name, {{"_", "-"}}),
                      flag.value.empty() ? "" : " ", flag.value);
}

std::string FlagRows(const Verb& verb) {
  size_t width = 0;
  for (const Flag& flag : verb.flags) width = std::max(width, Spelled(flag).size());
  std::string text;
  for (const Flag& flag : verb.flags) {
    absl::StrAppend(&text,
                    Row(Spelled(flag), absl::StrCat(flag.help, flag.repeated ? "; repeatable" : ""),
                        static_cast<int>(width)));
  }
  return text;
}

}  // namespace

int Complain(const absl::Status& status, int code) {
  for (const absl::string_view line : absl::StrSplit(status.message(), '\n')) {
    std::fprintf(stderr, "%s\n", Printable(line).c_str());
  }
  return code;
}

Flag ConfigFlag() {
  return {"config", "CONFIG", "the same as the word CONFIG: a path, or a file of configs/"};
}

Flag SetFlag() {
  return {"set", "PATH=VALUE",
          "changes one value, as in --set train.epochs=5\n"
          "or --set 'classify.activation=[activations/Relu] {}'",
          true};
}

Flag PluginFlag() {
  return {"plugin", "FILE.so", "loads plugins from outside (CONTRIBUTING.md)", true};
}

const Flag* Verb::Find(const std::string& flag) const {
  for (const Flag& own : flags) {
    if (own.name == flag) return &own;
  }
  return nullptr;
}

bool Verbs::Add(Verb verb) {
  std::vector<Verb>& verbs = Registered();
  verbs.push_back(std::move(verb));
  // The order in which files are linked means nothing.
  std::sort(verbs.begin(), verbs.end(), [](const Verb& a, const Verb& b) {
    return std::pair(a.name != kDefault, a.name) < std::pair(b.name != kDefault, b.name);
  });
  return true;
}

const std::vector<Verb>& Verbs::All() { return Registered(); }

const Verb* Verbs::Find(const std::string& name) {
  for (const Verb& verb : All()) {
    if (verb.name == name) return &verb;
  }
  return nullptr;
}

std::string HelpText() {
  size_t width = 0;
  for (const Verb& verb : Verbs::All()) width = std::max(width, Usage(verb).size());
  std::string text =
      "Trains image classifiers and segmenters from a config and compares losses and activations.\n"
      "\n";
  for (const Verb& verb : Verbs::All()) {
    const std::string phrase = verb.help.substr(0, verb.help.find('\n'));
    absl::StrAppend(&text, Row("pipeline " + Usage(verb), phrase,
                               static_cast<int>(width + sizeof("pipeline"))));
  }
  return absl::StrCat(text, "\n", FlagRows(Verbs::Default()),
                      "\n`pipeline VERB --help` says more.\n");
}

std::string HelpText(const Verb& verb) {
  std::string text = absl::StrCat("pipeline ", Usage(verb));
  for (const Flag& flag : verb.flags) {
    if (flag.name == "config") continue;
    absl::StrAppend(&text, " [", Spelled(flag), "]", flag.repeated ? "..." : "");
  }
  return absl::StrCat(text, "\n\n", verb.help, "\n", verb.flags.empty() ? "" : "\n",
                      FlagRows(verb));
}

}  // namespace pipeline
