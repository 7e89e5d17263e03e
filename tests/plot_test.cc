// The verb `plot`: a picture for every activation, and what is said where there is none.
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "pipeline/registry.h"
#include "tests/testing.h"

namespace {

using testing_support::Ran;
using testing_support::RunPipeline;
using testing_support::Workspace;

size_t Count(const std::string& text, const std::string& what) {
  return std::vector<std::string>(absl::StrSplit(text, what)).size() - 1;
}

TEST(Plot, DrawsFunctionAndDerivativeOfEveryActivation) {
  const Workspace workspace;
  for (const auto& name : pipeline::PluginIndex::Get().In("activations")) {
    const Ran ran = RunPipeline({"plot", name.Url()});
    ASSERT_EQ(ran.code, 0) << ran.err;
    EXPECT_EQ(ran.out, name.file + ".svg\n");
    const std::string svg = workspace.Read(name.file + ".svg");
    EXPECT_TRUE(absl::StartsWith(svg, "<svg ")) << name.file;
    EXPECT_TRUE(absl::EndsWith(svg, "</svg>\n")) << name.file;
    EXPECT_EQ(Count(svg, "<polyline"), 2) << name.file;
    EXPECT_TRUE(absl::StrContains(svg, absl::StrCat("[", name.Url(), "] {}")));
    EXPECT_FALSE(absl::StrContains(svg, "nan")) << name.file;
  }
}

TEST(Plot, TakesOptionsAndAFile) {
  const Workspace workspace;
  const Ran ran = RunPipeline({"plot", "[activations/Jacobi] { m: 0.5 }", "--out=sn.svg"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out, "sn.svg\n");
  EXPECT_TRUE(absl::StrContains(workspace.Read("sn.svg"), "{ m: 0.5 }"));
}

TEST(Plot, SaysWhatItCannotDraw) {
  const Workspace workspace;
  const auto mistake = [](const std::vector<std::string>& arguments) {
    const Ran ran = RunPipeline(arguments);
    EXPECT_EQ(ran.code, 2);
    return ran.err;
  };
  EXPECT_EQ(mistake({"plot"}),
            "plot takes one activation, such as lerch or '[activations/Lerch] { s: 1 }'\n");
  EXPECT_EQ(mistake({"plot", "lurch"}),
            "no plugin \"lurch\"; did you mean \"Lerch\"? (`list` shows all)\n");
  EXPECT_EQ(mistake({"plot", "dice"}),
            "dice: only plugins of activations are functions that can be drawn\n");
  EXPECT_EQ(
      mistake({"plot", "[activations/Lerch] { z: 1 }"}),
      "[activations/Lerch] { z: 1 }: [activations/Lerch] has no field \"z\"; it has: form, s, "
      "rho, a\n");
  EXPECT_EQ(mistake({"plot", "[activations/Lerch] { s: 7 }"}),
            "s is 7; it must be between 0 and 2\n");
}

}  // namespace
