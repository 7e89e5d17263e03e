// Parsing of the command line. gflags knows no repeated flags, no flags of a verb, and answers
// --help with pages: it only keeps the values.
#include "pipeline/cli/command_line.h"

#include <gflags/gflags.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "pipeline/diagnostics.h"
#include "pipeline/studies/plan.h"
#include "pipeline/workspace.h"

DEFINE_string(config, "", "");
DEFINE_string(out, "", "");
DEFINE_string(resume, "", "");
DEFINE_string(allow, "", "");
DEFINE_bool(json, false, "");
DEFINE_bool(quiet, false, "");

namespace pipeline {
namespace {

absl::Status Mistake(const std::string& message) { return absl::InvalidArgumentError(message); }

struct GivenFlag {
  std::string name;
  std::string value;
};

// What was typed, before any verb is asked.
struct Typed {
  std::vector<std::string> words;
  std::vector<GivenFlag> flags;
  bool help = false;
};

// Whether a word follows it is the same for every verb that has the flag.
const Flag* FindFlag(const std::string& name) {
  for (const Verb& verb : Verbs::All()) {
    if (verb.Find(name) != nullptr) return verb.Find(name);
  }
  return nullptr;
}

bool IsSwitch(const std::string& name) {
  const Flag* flag = FindFlag(name);
  return flag != nullptr && flag->value.empty();
}

absl::StatusOr<Typed> Sort(const std::vector<std::string>& arguments) {
  Typed typed;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument == "--help" || argument == "-h" || argument == "-help") {
      typed.help = true;
      continue;
    }
    if (!absl::StartsWith(argument, "-") || argument == "-") {
      typed.words.push_back(argument);
      continue;
    }
    const std::string bare = argument.substr(absl::StartsWith(argument, "--") ? 2 : 1);
    const size_t equals = bare.find('=');
    // --mc-dropout is --mc_dropout, as gflags names it.
    GivenFlag given = {absl::StrReplaceAll(bare.substr(0, equals), {{"-", "_"}}), ""};
    const bool negated = absl::StartsWith(given.name, "no") && IsSwitch(given.name.substr(2));
    if (negated) given.name = given.name.substr(2);
    const Flag* flag = FindFlag(given.name);
    if (equals != std::string::npos) {
      given.value = bare.substr(equals + 1);
    } else if (flag != nullptr && !flag->value.empty()) {
      if (++i == arguments.size()) return Mistake(absl::StrCat(argument, " needs a value"));
      given.value = arguments[i];
    } else {
      given.value = negated ? "false" : "true";
    }
    typed.flags.push_back(given);
  }
  return typed;
}

absl::Status NoSuchFlag(const Verb& verb, const std::string& name) {
  std::vector<std::string> takers, spelled = {"--help"};
  for (const Verb& other : Verbs::All()) {
    if (other.Find(name) != nullptr) takers.push_back(other.name);
  }
  for (const Flag& flag : verb.flags) spelled.push_back("--" + flag.name);
  const std::string help =
      absl::StrCat(" (", &verb == &Verbs::Default() ? "" : verb.name + " ", "--help shows all)");
  if (!takers.empty()) {
    return Mistake(absl::StrCat(verb.name, " takes no --", name, "; it is a flag of ",
                                absl::StrJoin(takers, ", "), help));
  }
  return Mistake(absl::StrCat("no flag --", name, DidYouMean("--" + name, spelled), help));
}

absl::Status TakeFlags(const Typed& typed, CommandLine* line) {
  std::map<std::string, int> seen;
  for (const auto& [name, value] : typed.flags) {
    const Flag* flag = line->verb->Find(name);
    if (flag == nullptr) return NoSuchFlag(*line->verb, name);
    if (flag->repeated) {
      line->repeated[name].push_back(value);
      continue;
    }
    if (++seen[name] > 1) return Mistake(absl::StrCat("--", name, " is given twice"));
    if (gflags::SetCommandLineOption(name.c_str(), value.c_str()).empty()) {
      return Mistake(absl::StrCat("--", name, " cannot be \"", value, "\""));
    }
  }
  return absl::OkStatus();
}

absl::Status NoSuchVerb(const std::string& word) {
  if (FindStudy(word).ok()) {
    return Mistake(absl::StrCat("\"", word, "\" is a study: \"study ", word, "\" runs it, \"check ",
                                word, "\" looks it over"));
  }
  std::vector<std::string> verbs, near;
  for (const Verb& verb : Verbs::All()) verbs.push_back(verb.name);
  near = verbs;
  for (const std::string& config : ConfigNames()) {
    near.push_back(config.substr(0, config.rfind('.')));
  }
  return Mistake(absl::StrCat("no verb or config \"", word,
                              "\"; verbs: ", absl::StrJoin(verbs, ", "), DidYouMean(word, near)));
}

// Splits the words into the verb, the config and the rest.
absl::Status TakeWords(std::vector<std::string> words, CommandLine* line) {
  line->verb = words.empty() ? nullptr : Verbs::Find(words[0]);
  if (line->verb != nullptr) {
    words.erase(words.begin());
  } else {
    line->verb = &Verbs::Default();
    if (!words.empty() && !FindConfig(words[0]).ok()) return NoSuchVerb(words[0]);
  }
  line->words = std::move(words);
  return absl::OkStatus();
}

absl::Status TakeConfig(CommandLine* line) {
  const Verb& verb = *line->verb;
  if (verb.Find("config") == nullptr) {
    if (!verb.arguments.empty() || line->words.empty()) return absl::OkStatus();
    return Mistake(absl::StrCat(verb.name, " takes no argument \"", line->words[0], "\""));
  }
  line->config = FLAGS_config;
  if (line->words.empty()) return absl::OkStatus();
  if (!line->config.empty()) {
    return Mistake(absl::StrCat(verb.name, " takes one config, but there are \"", line->words[0],
                                "\" and --config=", line->config));
  }
  if (line->words.size() > 1) {
    return Mistake(absl::StrCat(verb.name, " takes one config, but there are \"",
                                absl::StrJoin(line->words, "\" and \""), "\""));
  }
  line->config = line->words[0];
  line->words.clear();
  return absl::OkStatus();
}

}  // namespace

std::vector<std::string> CommandLine::Values(const std::string& flag) const {
  const auto found = repeated.find(flag);
  return found == repeated.end() ? std::vector<std::string>() : found->second;
}

absl::StatusOr<CommandLine> ParseCommandLine(const std::vector<std::string>& arguments) {
  const absl::StatusOr<Typed> typed = Sort(arguments);
  if (!typed.ok()) return typed.status();
  CommandLine line;
  line.help = typed->help;
  if (line.help) {
    if (!typed->words.empty()) line.verb = Verbs::Find(typed->words[0]);
    return line;
  }
  absl::Status status = TakeWords(typed->words, &line);
  if (status.ok()) status = TakeFlags(*typed, &line);
  if (status.ok()) status = TakeConfig(&line);
  if (!status.ok()) return status;
  return line;
}

}  // namespace pipeline
