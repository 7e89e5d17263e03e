// A loss built outside the tree by the line of CONTRIBUTING.md, loaded with --plugin, and used.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/testing.h"

namespace {

using testing_support::RunPipeline;
using testing_support::SmallConfig;
using testing_support::Workspace;

const std::string& kRunfiles = *new std::string(std::filesystem::current_path().string());

std::string FileText(const std::string& path) {
  std::ifstream stream(path);
  return {std::istreambuf_iterator<char>(stream), {}};
}

// Builds libsquared_hinge.so in the current folder.
void BuildPlugin(const Workspace& workspace) {
  for (const char* name : {"squared_hinge.cc", "squared_hinge.proto"}) {
    workspace.Write(name, FileText(absl::StrCat(kRunfiles, "/tests/outside/", name)));
  }
  // The headers that Bazel makes lie in bazel-bin for a user, beside the others here.
  const std::string libtorch = FileText(kRunfiles + "/../libtorch/gcc_flags.txt");
  ASSERT_NE(libtorch, "");
  const std::string line = absl::StrCat(
      "protoc -I. -I", kRunfiles,
      " --cpp_out=. squared_hinge.proto && "
      "g++ -std=c++20 -O1 -fPIC -shared -I. -I",
      kRunfiles, " ", libtorch, " squared_hinge.cc squared_hinge.pb.cc -o libsquared_hinge.so");
  ASSERT_EQ(std::system(line.c_str()), 0) << line;
}

TEST(OutsidePlugin, IsLoadedListedCheckedAndTrained) {
  const Workspace workspace;
  BuildPlugin(workspace);
  workspace.Write("configs/mine.pbtxt",
                  absl::StrReplaceAll(SmallConfig(), {{"[losses/SmoothL1] {}",
                                                       "[losses/SquaredHinge] { margin: 2 }"}}));
  const auto list = RunPipeline({"list", "--plugin=libsquared_hinge.so"});
  EXPECT_EQ(list.code, 0) << list.err;
  EXPECT_TRUE(absl::StrContains(list.out, "  SquaredHinge ")) << list.out;
  EXPECT_TRUE(absl::StrContains(
      RunPipeline({"describe", "SquaredHinge", "--plugin", "libsquared_hinge.so"}).out,
      "  margin  (double, default 1, above 0)"));
  const auto bad = RunPipeline(
      {"--config=mine", "--plugin=libsquared_hinge.so", "--set", "loss.term[0].margin=-1"});
  EXPECT_EQ(bad.code, 2);
  EXPECT_EQ(bad.err, "--set loss.term[0].margin=-1: margin is -1; it must be above 0\n");
  const auto ran = RunPipeline({"--config=mine", "--plugin=libsquared_hinge.so", "--out=out"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(nlohmann::json::parse(workspace.Read("out/summary.json"))["losses"],
            nlohmann::json({"squared_hinge", "categorical_cross_entropy"}));
}

TEST(OutsidePlugin, IsRefusedWithAReason) {
  const Workspace workspace;
  workspace.Write("libtext.so", "not a library");
  const auto missing = RunPipeline({"list", "--plugin=libnone.so"});
  EXPECT_EQ(missing.code, 2);
  EXPECT_TRUE(absl::StartsWith(missing.err, "--plugin=libnone.so: ")) << missing.err;
  const auto text = RunPipeline({"list", "--plugin=libtext.so"});
  EXPECT_EQ(text.code, 2);
  EXPECT_TRUE(absl::StartsWith(text.err, "--plugin=libtext.so: ")) << text.err;
}

}  // namespace
