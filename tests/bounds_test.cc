// Small files that ask for much: what they may ask for is bounded, and the bound is said.
// docs/limits.md lists all of them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "datasets/folders/listing.h"
#include "datasets/images/image_file.h"
#include "datasets/split/split_file.h"
#include "pipeline/runs/run_facts.h"
#include "pipeline/runs/safetensors.h"
#include "tests/testing.h"

namespace {

using testing_support::Load;
using testing_support::Workspace;

std::string Repeated(const std::string& text, int count) {
  std::string all;
  for (int i = 0; i < count; ++i) all += text;
  return all;
}

int64_t LinesOf(const std::string& text) { return std::count(text.begin(), text.end(), '\n') + 1; }

TEST(Bounds, IncludesOfAllFilesTogether) {
  // Two includes in each of 31 files are 2^31 files.
  const Workspace workspace;
  for (int i = 0; i < 31; ++i) {
    const std::string next = absl::StrCat("\"", i + 1, ".pbtxt\"");
    workspace.Write(absl::StrCat(i, ".pbtxt"), absl::StrCat("include: [", next, ", ", next, "]"));
  }
  workspace.Write("31.pbtxt", "train { epochs: 2 }");
  const std::string errors = Load("0.pbtxt").errors;
  EXPECT_TRUE(absl::StrContains(errors, ": more than 256 includes")) << errors;
  EXPECT_LE(LinesOf(errors), 4) << errors;
}

TEST(Bounds, DepthOfIncludes) {
  const Workspace workspace;
  for (int i = 0; i < 33; ++i) {
    workspace.Write(absl::StrCat(i, ".pbtxt"), absl::StrCat("include: \"", i + 1, ".pbtxt\""));
  }
  workspace.Write("33.pbtxt", "train { epochs: 2 }");
  const std::string errors = Load("0.pbtxt").errors;
  EXPECT_TRUE(absl::StrContains(errors, "31.pbtxt:1:1: includes nest deeper than 32\n")) << errors;
}

TEST(Bounds, NestingOfAConfig) {
  const Workspace workspace;
  workspace.Write("c.pbtxt", "node { name: \"loss\" plugin { [plugins/FusedLoss] { " +
                                 Repeated("term { [losses/Sum] { ", 70) + Repeated("} } ", 70) +
                                 "} } }");
  EXPECT_TRUE(
      absl::StrContains(Load("c.pbtxt").errors, "exceeded the configured recursion limit of 64"))
      << Load("c.pbtxt").errors;
}

TEST(Bounds, BytesOfFiles) {
  // They take no room, for nothing was written there.
  const Workspace workspace;
  workspace.Write("split.csv", "# lossfusion split 1:\n");
  workspace.Write("large.png", "\x89PNG\r\n\x1a\n");
  std::filesystem::resize_file("split.csv", (size_t{1} << 28) + 1);
  std::filesystem::resize_file("large.png", (size_t{1} << 30) + 1);
  EXPECT_EQ(datasets::ReadSplitFile("split.csv").status().message(),
            "cannot read split.csv: larger than 268435456 bytes");
  EXPECT_EQ(datasets::ReadImage("large.png", 1 << 26, {8}).status().message(),
            "cannot read large.png: larger than 1073741824 bytes");
}

TEST(Bounds, NodesOfAConfig) {
  const Workspace workspace;
  workspace.Write("c.pbtxt", Repeated("node{}", 1001));
  EXPECT_EQ(Load("c.pbtxt").errors, "c.pbtxt: more than 1000 nodes");
}

TEST(Bounds, ErrorsOfAConfig) {
  const Workspace workspace;
  workspace.Write("c.pbtxt", Repeated("a:1 ", 200'000));
  const std::string errors = Load("c.pbtxt").errors;
  EXPECT_TRUE(absl::StrContains(errors, "\nc.pbtxt:1:402: and more errors\n")) << errors;
  EXPECT_LE(LinesOf(errors), 104);
}

TEST(Bounds, BytesOfAPath) {
  // Whatever a path is made of, nobody but us speaks of it.
  const Workspace workspace;
  workspace.Write("c.pbtxt", testing_support::SmallConfig());
  testing::internal::CaptureStderr();
  EXPECT_EQ(Load("c.pbtxt", {"load.split_file=/\xff.csv"}).errors, "");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(Bounds, PixelsOfAHeaderThatDecodersReadInTwoWays) {
  // OpenCV takes 8 for the height, for what follows "#" is no comment to it.
  const Workspace workspace;
  workspace.Write("x.pgm", "P5\n2#8\n4 255\n" + std::string(16, 'x'));
  EXPECT_EQ(datasets::ReadImage("x.pgm", 8, {8}).status().message(),
            "x.pgm: a PNM in whose header no blank follows a number");
}

TEST(Bounds, NestingOfJson) {
  const Workspace workspace;
  const std::string header = Repeated("[", 33) + Repeated("]", 33);
  const uint64_t length = header.size();
  workspace.Write("w",
                  std::string(reinterpret_cast<const char*>(&length), sizeof(length)) + header);
  EXPECT_EQ(pipeline::ReadSafetensors("w").status().message(),
            "w: not safetensors: its header nests too deep");
  EXPECT_EQ(pipeline::ParseFacts(Repeated("{\"a\":", 33)).status().message(), "is no JSON object");
  std::string keys = "{\"0\":0";
  for (int i = 1; i < 400000; ++i) absl::StrAppend(&keys, ",\"", i, "\":0");
  // Each with all before it would be eight minutes.
  EXPECT_EQ(pipeline::ParseFacts(keys + "}").status().message(), "is no JSON object");
  // What closes more than it opened is counted nowhere.
  EXPECT_EQ(pipeline::ParseFacts(Repeated("]", 1 << 22) + "{").status().message(),
            "is no JSON object");
  // Brackets in a text do not nest.
  EXPECT_EQ(pipeline::ParseFacts("{\"a\\\"" + Repeated("[", 40) + "\": 1}").status().message(),
            "is not of format 1");
}

TEST(Bounds, NumbersOfRunFacts) {
  const std::string begin =
      R"({"format": 1, "config": "", "dataset": "", "data": "", "embedded_sample": false,
          "task": "binary", "classes": [], "split": "", "images": [0, 0, 0],
          "class_counts": [[], [], []], "inputs": {"images": {"type": "uint8", "shape": [1]},
          "labels": {"type": "int64", "shape": [1]}}, "channels": )";
  EXPECT_TRUE(pipeline::ParseFacts(begin + "3}").ok());
  EXPECT_EQ(pipeline::ParseFacts(begin + "1e92}").status().message(),
            "1e+92 is no whole number of 64 bits");
}

TEST(Bounds, FilesOfADataset) {
  const Workspace workspace;
  for (const char* name : {"a/1.png", "a/2.png", "a/b/3.png"}) workspace.Write(name, "");
  datasets::Listing enough(4), few(3);
  EXPECT_EQ(enough.ImagesBelow("a").value().size(), 3);
  EXPECT_EQ(few.ImagesBelow("a").status().message(),
            "cannot read a/b: more than 3 files; name a smaller folder");
}

TEST(Bounds, PixelsThatAConfigMayAllow) {
  const Workspace workspace;
  workspace.Write("c.pbtxt", testing_support::SmallConfig());
  EXPECT_EQ(Load("c.pbtxt", {"load.max_pixels=1073741825"}).errors,
            "--set load.max_pixels=1073741825: max_pixels is 1.07374e+09; it must be between 1 and "
            "1.07374e+09");
}

}  // namespace
