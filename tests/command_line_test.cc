// The program's command line: verbs, a config as a word, each verb's own flags, and help.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "tests/testing.h"

namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing_support::Ran;
using testing_support::RunPipeline;
using testing_support::SmallConfig;
using testing_support::Workspace;

class CommandLine : public ::testing::Test {
 protected:
  void SetUp() override { workspace_.Write("configs/small.pbtxt", SmallConfig()); }

  // What the program says of a mistake in its command line.
  std::string Mistake(const std::vector<std::string>& arguments) const {
    const Ran ran = RunPipeline(arguments);
    EXPECT_EQ(ran.code, 2);
    EXPECT_EQ(ran.out, "");
    EXPECT_FALSE(workspace_.Has("runs"));
    return ran.err;
  }

  Workspace workspace_;
};

TEST_F(CommandLine, AWordThatIsAConfigIsTheConfig) {
  const Ran bare = RunPipeline({"small", "--set", "train.epochs=1", "--out=bare"});
  EXPECT_EQ(bare.code, 0) << bare.err;
  const Ran named = RunPipeline({"train", "small", "--set", "train.epochs=1", "--out=named"});
  EXPECT_EQ(named.code, 0) << named.err;
  EXPECT_EQ(workspace_.Read("bare/config.pbtxt"), workspace_.Read("named/config.pbtxt"));
  EXPECT_THAT(workspace_.Read("bare/config.pbtxt"), HasSubstr("epochs: 1\n"));
  for (const std::string verb : {"check", "dot", "print-config"}) {
    const Ran by_word = RunPipeline({verb, "configs/small.pbtxt"});
    EXPECT_EQ(by_word.code, 0) << by_word.err;
    const Ran by_flag = RunPipeline({verb, "--config", "small"});
    EXPECT_EQ(by_word.out, by_flag.out) << verb;
    EXPECT_NE(by_word.out, "") << verb;
  }
}

TEST_F(CommandLine, OneConfigIsEnough) {
  EXPECT_EQ(Mistake({"check", "small", "--config=other"}),
            "check takes one config, but there are \"small\" and --config=other\n");
  EXPECT_EQ(Mistake({"small", "other"}),
            "train takes one config, but there are \"small\" and \"other\"\n");
  EXPECT_EQ(Mistake({"dot", "smal"}),
            "smal: no such config, here or in the workspace's configs/; did you mean "
            "\"small.pbtxt\"?\nconfigs: small.pbtxt\n");
}

TEST_F(CommandLine, AWordThatIsNothing) {
  EXPECT_EQ(Mistake({"chekc"}),
            "no verb or config \"chekc\"; verbs: train, calibrate, check, compare, describe, dot, "
            "evaluate, explain, export, list, plot, predict, "
            "print-config, report, study; did you mean \"check\"?\n");
  EXPECT_EQ(Mistake({"smalll"}),
            "no verb or config \"smalll\"; verbs: train, calibrate, check, compare, describe, dot, "
            "evaluate, explain, export, list, plot, predict, "
            "print-config, report, study; did you mean \"small\"?\n");
  EXPECT_EQ(Mistake({"list", "small"}), "list takes no argument \"small\"\n");
}

TEST_F(CommandLine, FlagsThatAVerbDoesNotTake) {
  EXPECT_EQ(Mistake({"small", "--decode"}),
            "train takes no --decode; it is a flag of check (--help shows all)\n");
  EXPECT_EQ(Mistake({"dot", "small", "--out", "x"}),
            "dot takes no --out; it is a flag of train, check, compare, evaluate, export, plot, "
            "predict, report, study (dot --help shows all)\n");
  EXPECT_EQ(Mistake({"list", "--set", "train.epochs=1"}),
            "list takes no --set; it is a flag of train, check, dot, evaluate, explain, predict, "
            "print-config, study (list --help shows all)\n");
  EXPECT_EQ(Mistake({"plot", "lerch", "--config=small"}),
            "plot takes no --config; it is a flag of train, check, dot, print-config, study (plot "
            "--help shows all)\n");
}

TEST_F(CommandLine, FlagsThatNoVerbTakes) {
  EXPECT_EQ(Mistake({"check", "small", "--decod"}),
            "no flag --decod; did you mean \"--decode\"? (check --help shows all)\n");
  EXPECT_EQ(Mistake({"--confg=small"}),
            "no flag --confg; did you mean \"--config\"? (--help shows all)\n");
  EXPECT_EQ(Mistake({"--verbose", "small"}), "no flag --verbose (--help shows all)\n");
}

TEST_F(CommandLine, ValuesOfFlags) {
  EXPECT_EQ(Mistake({"small", "--out"}), "--out needs a value\n");
  EXPECT_EQ(Mistake({"small", "--out=a", "--out=b"}), "--out is given twice\n");
  EXPECT_EQ(Mistake({"check", "small", "--decode=perhaps"}), "--decode cannot be \"perhaps\"\n");
  const Ran ran = RunPipeline({"print-config", "small", "--set", "train.epochs=3",
                               "--set=train.seed=4", "-set", "load.batch_size=5"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  for (const char* line : {"epochs: 3\n", "seed: 4\n", "batch_size: 5\n"}) {
    EXPECT_THAT(ran.out, HasSubstr(line));
  }
  const Ran plain = RunPipeline({"check", "small", "--nodecode"});
  EXPECT_THAT(plain.out, HasSubstr("every image header is readable\n"));
  const Ran decoded = RunPipeline({"check", "small", "--decode"});
  EXPECT_THAT(decoded.out, HasSubstr("every image decodes\n"));
}

TEST_F(CommandLine, HelpIsMadeOfTheVerbs) {
  const Ran all = RunPipeline({"--help"});
  EXPECT_EQ(all.code, 0);
  EXPECT_LT(std::count(all.out.begin(), all.out.end(), '\n'), 35);  // a screen
  EXPECT_THAT(all.out, HasSubstr("\n  pipeline [train] CONFIG        trains, tests, and writes "));
  EXPECT_THAT(all.out, HasSubstr("\n  pipeline describe NAME         a plugin's options"));
  EXPECT_THAT(all.out, HasSubstr("\n  --out DIR "));
  EXPECT_THAT(all.out, Not(HasSubstr("--decode")));
  EXPECT_EQ(
      RunPipeline({"check", "small", "--help"}).out,
      "pipeline check CONFIG [--set PATH=VALUE]... [--decode] [--report] [--out FILE.html] "
      "[--plugin FILE.so]...\n"
      "\n"
      "tries everything but training, in seconds; writes no run\n"
      "Reads every image's header and runs a small batch of each size that passes have.\n"
      "Of a study: counts its runs, and says about how long they take.\n"
      "\n"
      "  --config CONFIG   the same as the word CONFIG: a path, or a file of configs/\n"
      "  --set PATH=VALUE  changes one value, as in --set train.epochs=5\n"
      "                    or --set 'classify.activation=[activations/Relu] {}'; repeatable\n"
      "  --decode          decode every image; list the broken ones, and copies\n"
      "  --report          write a page about the data: examples, how alike the splits are, what "
      "gives\n"
      "                    labels away, copies\n"
      "  --out FILE.html   where that page goes (default: CONFIG_data.html)\n"
      "  --plugin FILE.so  loads plugins from outside (CONTRIBUTING.md); repeatable\n");
}

}  // namespace
