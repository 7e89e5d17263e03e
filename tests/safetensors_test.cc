// Safetensors against the published format, and hostile files.
#include "pipeline/runs/safetensors.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/testing.h"

namespace {

using pipeline::ReadSafetensors;
using testing_support::Workspace;

TEST(Safetensors, ReturnsWhatWasWritten) {
  const Workspace workspace;
  const pipeline::NamedTensors tensors = {
      {"a.weight", at::randn({2, 3, 4, 5}).contiguous(at::MemoryFormat::ChannelsLast)},
      {"half", at::randn({3}).to(at::kBFloat16)},
      {"count", at::tensor(7, at::kLong)},
      {"none", at::empty({0, 3})},
      {"double", at::randn({2, 2}, at::kDouble).t()}};
  ASSERT_TRUE(pipeline::WriteSafetensors("w.safetensors", tensors, {{"format", "pt"}}).ok());
  const auto read = ReadSafetensors("w.safetensors");
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_EQ(read->size(), tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    EXPECT_EQ((*read)[i].first, tensors[i].first);
    EXPECT_EQ((*read)[i].second.scalar_type(), tensors[i].second.scalar_type());
    EXPECT_TRUE((*read)[i].second.equal(tensors[i].second));
  }
}

TEST(Safetensors, FollowsTheFormat) {
  // Decoded here from the published layout, not by our own reader.
  const Workspace workspace;
  ASSERT_TRUE(pipeline::WriteSafetensors(
                  "w", {{"x", at::tensor({1.5F, -2.0F})}, {"y", at::tensor({3}, at::kLong)}}, {})
                  .ok());
  const std::string bytes = workspace.Read("w");
  uint64_t length = 0;
  memcpy(&length, bytes.data(), 8);
  EXPECT_EQ(length % 8, 0);
  const auto header = nlohmann::json::parse(bytes.substr(8, length));
  EXPECT_EQ(header["x"]["dtype"], "F32");
  EXPECT_EQ(header["x"]["shape"], nlohmann::json({2}));
  EXPECT_EQ(header["y"]["data_offsets"], nlohmann::json({8, 16}));
  float x[2];
  memcpy(x, bytes.data() + 8 + length, 8);
  EXPECT_EQ(x[0], 1.5F);
  EXPECT_EQ(x[1], -2.0F);
  EXPECT_EQ(bytes.size(), 8 + length + 16);
}

std::string WithHeader(const std::string& header, const std::string& data,
                       uint64_t length_claimed = UINT64_MAX) {
  const uint64_t length = length_claimed == UINT64_MAX ? header.size() : length_claimed;
  return std::string(reinterpret_cast<const char*>(&length), 8) + header + data;
}

TEST(Safetensors, ReadsOnlyWhatIsWanted) {
  const Workspace workspace;
  const pipeline::NamedTensors tensors = {{"b", at::ones({2})}, {"a", at::ones({3})}};
  ASSERT_TRUE(pipeline::WriteSafetensors("w", tensors, {}).ok());
  const auto read = ReadSafetensors(
      "w", [](const std::string& name, at::IntArrayRef shape) { return shape[0] == 2; });
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ((*read)[0].first, "b");
  EXPECT_TRUE((*read)[0].second.equal(tensors[0].second));
  EXPECT_EQ((*read)[1].first, "a");
  EXPECT_TRUE((*read)[1].second.is_meta());
  EXPECT_EQ((*read)[1].second.sizes(), at::IntArrayRef({3}));
}

// A tensor of 4 TiB in a file that takes a few KiB of the disk.
TEST(Safetensors, AFileMayClaimMoreThanMemoryHolds) {
  const Workspace workspace;
  workspace.Write("w", WithHeader(R"({"x":{"dtype":"F32","shape":[1099511627776],)"
                                  R"("data_offsets":[0,4398046511104]}})",
                                  ""));
  std::error_code error;
  const auto header = std::filesystem::file_size("w");
  std::filesystem::resize_file("w", header + (uint64_t{4} << 40), error);
  if (error) GTEST_SKIP() << "no such large files here: " << error.message();
  const auto read = ReadSafetensors("w", [](const std::string&, at::IntArrayRef) { return false; });
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ((*read)[0].second.numel(), int64_t{1} << 40);
}

TEST(Safetensors, ReadsManyNamesInLittleTime) {
  // With a search through all names for each this would take an hour.
  const Workspace workspace;
  std::string header = "{";
  for (int i = 0; i < 300000; ++i) {
    absl::StrAppend(&header, i == 0 ? "" : ",", "\"", i,
                    R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})");
  }
  workspace.Write("w", WithHeader(header + "}", ""));
  const auto read = ReadSafetensors("w");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->size(), 300000);
}

TEST(Safetensors, RefusesHostileFiles) {
  const Workspace workspace;
  const std::string four(4, '\0');
  const auto message = [&](const std::string& content) {
    workspace.Write("w", content);
    return std::string(ReadSafetensors("w").status().message());
  };
  const auto entry = [](const std::string& dtype, const std::string& shape,
                        const std::string& offsets) {
    return R"({"x":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" +
           offsets + "}}";
  };
  const std::string data(4, '\0');
  EXPECT_EQ(message(WithHeader(entry("F32", "[1]", "[0,4]"), data)), "");
  EXPECT_EQ(message("abc"), "w: not safetensors: shorter than its header");
  EXPECT_EQ(message(WithHeader("{}", "", uint64_t{1} << 60)),
            "w: not safetensors: its header would be longer than the file or 100 MB");
  EXPECT_EQ(message(WithHeader("[1", "")), "w: not safetensors: the header is no JSON object");
  EXPECT_EQ(message(WithHeader(R"({"x":3})", "")),
            "w: tensor \"x\" is not {dtype, shape, data_offsets}");
  EXPECT_EQ(message(WithHeader(entry("F32", "[-1]", "[0,4]"), data)),
            "w: tensor \"x\" has a malformed dtype, shape or data_offsets");
  EXPECT_EQ(message(WithHeader(entry("F99", "[1]", "[0,4]"), data)),
            "w: tensor \"x\" has the unsupported dtype F99");
  EXPECT_EQ(message(WithHeader(entry("F32", "[4611686018427387904,4]", "[0,4]"), data)),
            "w: tensor \"x\" has a shape that overflows");
  EXPECT_EQ(message(WithHeader(entry("F32", "[2]", "[0,4]"), data)),
            "w: tensor \"x\" has data_offsets that do not fit its shape");
  EXPECT_EQ(message(WithHeader(entry("F32", "[1]", "[4,8]"), data)),
            "w: tensor \"x\" overlaps or leaves a gap");
  EXPECT_EQ(message(WithHeader(entry("F32", "[1]", "[0,4]"), data + data)),
            "w: truncated, or with bytes that belong to no tensor");
  EXPECT_EQ(message(WithHeader(entry("F32", "[1]", "[0,4]"), "")),
            "w: truncated, or with bytes that belong to no tensor");
  const std::string two = R"({"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                          R"("y":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})";
  EXPECT_EQ(message(WithHeader(two, data)), "w: tensor \"y\" overlaps or leaves a gap");
}

TEST(Safetensors, DetectsEveryTruncation) {
  const Workspace workspace;
  ASSERT_TRUE(pipeline::WriteSafetensors("w", {{"x", at::randn({5})}}, {}).ok());
  const std::string bytes = workspace.Read("w");
  for (size_t length = 0; length < bytes.size(); ++length) {
    workspace.Write("cut", bytes.substr(0, length));
    EXPECT_FALSE(ReadSafetensors("cut").ok()) << length;
  }
}

}  // namespace
