// Verbs: what the program can be asked to do. Each is a file of this folder, which registers it.
#ifndef PIPELINE_CLI_VERB_H_
#define PIPELINE_CLI_VERB_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace pipeline {

struct CommandLine;

// Exit codes.
constexpr int kMistake = 2;   // the user's: nothing was written
constexpr int kFailure = 1;   // something broke while running
constexpr int kSignal = 128;  // plus the signal, as shells report it

// Prints the message's lines to standard error, fit for a terminal; returns `code`.
int Complain(const absl::Status& status, int code);

// What a verb may be given as --name. The value of a flag that may be repeated is in the command
// line, that of any other in the gflag of its name.
struct Flag {
  std::string name;   // "out"
  std::string value;  // as help spells it: "DIR"; empty for a switch
  std::string help;   // lines
  bool repeated = false;
};

// Flags of several verbs.
Flag ConfigFlag();
Flag SetFlag();
Flag PluginFlag();

struct Verb {
  std::string name;
  // As help spells them. A verb that takes --config takes it as a word too, and no other.
  std::string arguments;
  std::string help;  // what the verb does: a phrase for its line, then lines for its own help
  std::vector<Flag> flags;
  std::function<int(const CommandLine&)> run;  // returns the exit code

  // nullptr where the verb has no such flag.
  const Flag* Find(const std::string& flag) const;
};

class Verbs {
 public:
  // Called before main().
  static bool Add(Verb verb);
  // The default first, the others by name.
  static const std::vector<Verb>& All();
  // nullptr where there is none.
  static const Verb* Find(const std::string& name);
  // The verb that need not be named.
  static const Verb& Default() { return All().front(); }
};

// At the end of a verb's file.
#define REGISTER_VERB(...)                                                \
  namespace {                                                             \
  [[maybe_unused]] const bool kRegistered = Verbs::Add(Verb __VA_ARGS__); \
  }                                                                       \
  static_assert(true, "")

// What `pipeline --help` and `pipeline VERB --help` print.
std::string HelpText();
std::string HelpText(const Verb& verb);

}  // namespace pipeline

#endif  // PIPELINE_CLI_VERB_H_
