// Files of torch.save: the tensors that PyTorch saved, and no code run.
#include "models/torch_file.h"

#include <ATen/core/Tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "models/pickle.h"
#include "models/zip.h"
#include "pipeline/files.h"

namespace {

using models::ReadTorchFile;
using pipeline::NamedTensors;
using testing::HasSubstr;

constexpr char kFolder[] = "models/testdata/";

void ExpectSame(const NamedTensors& read, const std::string& safetensors) {
  const auto file = pipeline::ReadSafetensors(kFolder + safetensors);
  ASSERT_TRUE(file.ok()) << file.status();
  const std::map<std::string, at::Tensor> expected(file->begin(), file->end());
  ASSERT_EQ(read.size(), expected.size());
  for (const auto& [name, tensor] : read) {
    ASSERT_EQ(expected.count(name), 1) << name;
    EXPECT_EQ(tensor.scalar_type(), expected.at(name).scalar_type()) << name;
    EXPECT_EQ(tensor.sizes(), expected.at(name).sizes()) << name;
    EXPECT_TRUE(tensor.is_contiguous()) << name;
    EXPECT_TRUE(tensor.equal(expected.at(name))) << name;
  }
}

TEST(TorchFile, HasTheTensorsThatPyTorchSaved) {
  for (const char* file : {"unet_small.pth", "unet_small_legacy.pth"}) {
    SCOPED_TRACE(file);
    EXPECT_TRUE(models::IsTorchFile(std::string(kFolder) + file));
    const auto read = ReadTorchFile(std::string(kFolder) + file);
    ASSERT_TRUE(read.ok()) << read.status();
    ExpectSame(*read, "unet_small.safetensors");
  }
  EXPECT_FALSE(models::IsTorchFile("models/testdata/unet_small.safetensors"));
}

TEST(TorchFile, KnowsEveryTypeAndStride) {
  const auto read = ReadTorchFile("models/testdata/kinds.pth");
  ASSERT_TRUE(read.ok()) << read.status();
  ExpectSame(*read, "kinds.safetensors");
}

TEST(TorchFile, FindsTheStateDictOfACheckpoint) {
  const auto read = ReadTorchFile("models/testdata/checkpoint.pth");
  ASSERT_TRUE(read.ok()) << read.status();
  std::vector<std::string> names;
  for (const auto& [name, tensor] : *read) names.push_back(name);
  EXPECT_THAT(names,
              testing::ElementsAre("0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean",
                                   "1.running_var", "1.num_batches_tracked"));
}

TEST(TorchFile, ReadsOnlyWhatIsWanted) {
  const auto read =
      ReadTorchFile("models/testdata/kinds.pth",
                    [](const std::string& name, at::IntArrayRef) { return name == "int16"; });
  ASSERT_TRUE(read.ok()) << read.status();
  for (const auto& [name, tensor] : *read) {
    EXPECT_EQ(tensor.is_meta(), name != "int16") << name;
    if (name == "float32") {
      EXPECT_EQ(tensor.sizes(), at::IntArrayRef({2, 3, 2, 2}));
    }
  }
}

// ---- files made by hand ----

template <class T>
std::string Little(T number) {
  return std::string(reinterpret_cast<const char*>(&number), sizeof(number));
}

// A zip archive of members that are stored as they are; `method` is what the directory claims.
std::string Zip(const std::vector<std::pair<std::string, std::string>>& members,
                uint16_t method = 0, uint16_t flags = 0) {
  std::string file, directory;
  for (const auto& [name, content] : members) {
    const std::string sizes =
        Little<uint32_t>(0) + Little<uint32_t>(content.size()) + Little<uint32_t>(content.size());
    const std::string common = Little<uint16_t>(flags) + Little<uint16_t>(method) +
                               Little<uint32_t>(0) + sizes + Little<uint16_t>(name.size()) +
                               Little<uint16_t>(0);
    absl::StrAppend(&directory, "PK\x01\x02", Little<uint32_t>(0), common, std::string(10, '\0'),
                    Little<uint32_t>(file.size()), name);
    absl::StrAppend(&file, "PK\x03\x04", Little<uint16_t>(0), common, name, content);
  }
  const auto count = Little<uint16_t>(members.size());
  return absl::StrCat(file, directory, "PK\x05\x06", Little<uint32_t>(0), count, count,
                      Little<uint32_t>(directory.size()), Little<uint32_t>(file.size()),
                      Little<uint16_t>(0));
}

// A dict of one tensor "w"; `arguments` are those of _rebuild_tensor_v2 after its storage of two
// float32.
std::string OneTensor(const std::string& arguments, const std::string& count = "K\x02") {
  return absl::StrCat("\x80\x02}X", Little<uint32_t>(1), "wctorch._utils\n_rebuild_tensor_v2\n((X",
                      Little<uint32_t>(7), "storagectorch\nFloatStorage\nX", Little<uint32_t>(1),
                      "0X", Little<uint32_t>(3), "cpu", count, "tQ", arguments, "tRs.");
}

const std::string kTwo("\0\0\x80\x3f\0\0\0\x40", 8);  // 1 and 2

std::string ErrorOf(const std::string& content) {
  const std::string path = testing::TempDir() + "/file.pth";
  std::ofstream(path, std::ios::binary) << content;
  const auto read = ReadTorchFile(path);
  EXPECT_FALSE(read.ok());
  const std::string message(read.status().message());
  EXPECT_EQ(message.substr(0, path.size() + 2), path + ": ");
  return message.substr(std::min(message.size(), path.size() + 2));
}

std::string PickleError(const std::string& pickle) {
  return ErrorOf(Zip({{"a/data.pkl", pickle}, {"a/data/0", kTwo}}));
}

TEST(TorchFile, OfOneTensorIsRead) {
  const std::string path = testing::TempDir() + "/one.pth";
  std::ofstream(path, std::ios::binary)
      << Zip({{"a/data.pkl", OneTensor("K\x01K\x01\x85K\x01\x85\x89N")}, {"a/data/0", kTwo}});
  const auto read = ReadTorchFile(path);
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_EQ(read->size(), 1);
  EXPECT_EQ((*read)[0].first, "w");
  EXPECT_EQ((*read)[0].second.sizes(), at::IntArrayRef({1}));
  EXPECT_EQ((*read)[0].second.item<float>(), 2);
}

// As Python 2 and the first PyTorch wrote: short strings, a dict made of a list of pairs, no format
// version in the name of what rebuilds a tensor.
TEST(TorchFile, OfPython2IsRead) {
  const std::string tensor = absl::StrCat(
      "ctorch._utils\n_rebuild_tensor\n((U\x07storagectorch\nFloatStorage\nU\x03keyU\x03"
      "cpuK\x02NtQK\x01K\x01\x85K\x01\x85tR");
  const std::string path = testing::TempDir() + "/python2.pth";
  std::ofstream(path, std::ios::binary)
      << std::string("\x80\x02\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15)
      << "\x80\x02M\xe9\x03."
      << "\x80\x02}U\x0dlittle_endian\x88s."
      << "\x80\x02"
         "ccollections\nOrderedDict\n]]U\x01wa"
      << tensor << "aa\x85R."
      << "\x80\x02]U\x03keya." << Little<int64_t>(2) << kTwo;
  const auto read = ReadTorchFile(path);
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_EQ(read->size(), 1);
  EXPECT_EQ((*read)[0].first, "w");
  EXPECT_EQ((*read)[0].second.item<float>(), 2);
}

TEST(TorchFile, RunsNothing) {
  EXPECT_EQ(PickleError("\x80\x02"
                        "cos\nsystem\nX" +
                        Little<uint32_t>(4) + "true\x85R."),
            "its pickle calls os system, which no state dict needs: it is not run");
  EXPECT_EQ(PickleError(std::string("\x80\x02}\x93.")),
            "its pickle has the opcode 0x93, which no state dict needs: it is not run");
  EXPECT_EQ(ErrorOf(*pipeline::ReadFile("fuzz/corpus/torch_file/evil.pth", 1 << 20)),
            "its pickle calls __builtin__ print, which no state dict needs: it is not run");
}

TEST(TorchFile, RefusesMalformedPickles) {
  for (const auto& [pickle, why] : std::vector<std::pair<std::string, std::string>>{
           {"", "its pickle is cut off"},
           {std::string("\x80\x04.", 3), "its pickle is not of protocol 2"},
           {"R.", "its pickle takes more than it has"},
           {"(.", "its pickle leaves other than one value"},
           {"t.", "its pickle has no mark where one belongs"},
           {"h\x05.", "its pickle refers to what it did not remember"},
           {"}K\x01"
            "a.",
            "its pickle adds items to what takes none"},
           {"}(K\x01u.", "its pickle adds items to what takes none"},
           {"K\x01Q.", "its pickle refers to no storage"},
           {"K\x01}b.", "its pickle sets the state of what has none"},
           {"X\xff\xff\xff\x7f", "its pickle is cut off"},
           {"cos\nsystem", "its pickle is cut off"},
           {"K\x01.", "a PyTorch file of no state dict"},
           {"}K\x01K\x02s.", "a PyTorch file without a dict of tensors"}}) {
    EXPECT_EQ(PickleError(pickle), why) << pickle;
  }
  EXPECT_EQ(PickleError(std::string(1 << 21, ')') + "."),
            "its pickle has more than a million values");
}

TEST(TorchFile, RefusesTensorsThatClaimMoreThanThereIs) {
  const auto with = [](const std::string& arguments, const std::string& count = "K\x02") {
    return PickleError(OneTensor(arguments, count));
  };
  const std::string larger = "tensor \"w\" is larger than its storage";
  EXPECT_EQ(with("K\x01K\x02\x85K\x01\x85\x89N"), larger) << "beyond its end";
  EXPECT_EQ(with(std::string("K\0K\x03\x85K\0\x85\x89N", 10)), larger) << "one value three times";
  EXPECT_EQ(
      with("K\x01\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x8a\x01\x7f\x86K\x01K\x01\x86\x89N"),
      larger)
      << "a shape that overflows";
  EXPECT_EQ(with("K\x01K\x01\x85)\x89N"), "tensor \"w\" has a malformed shape");
  EXPECT_EQ(with("J\xff\xff\xff\xffK\x01\x85K\x01\x85\x89N"), "tensor \"w\" has a malformed shape");
  EXPECT_EQ(with("K\x01K\x01\x85K\x01\x85\x89N", "K\x03"),
            "tensor \"w\" has no storage of its size in the file");
  EXPECT_EQ(with("K\x01K\x01\x85K\x01\x85\x89N", "J\xff\xff\xff\xff"),
            "tensor \"w\" is of a type that is not read");
}

TEST(TorchFile, RefusesDamagedArchives) {
  const std::vector<std::pair<std::string, std::string>> members = {
      {"a/data.pkl", OneTensor("K\x01K\x01\x85K\x01\x85\x89N")}, {"a/data/0", kTwo}};
  EXPECT_EQ(ErrorOf(Zip(members, 8)),
            "a zip archive whose member \"a/data.pkl\" is compressed, as torch.save leaves none");
  EXPECT_EQ(ErrorOf(Zip(members, 0, 1)), "a zip archive whose member \"a/data.pkl\" is encrypted");
  EXPECT_EQ(ErrorOf(Zip({members[0], members[0]})),
            "a zip archive whose member \"a/data.pkl\" is there twice");
  EXPECT_EQ(ErrorOf(Zip({members[1]})), "a zip archive, but not of torch.save: it has no data.pkl");
  EXPECT_EQ(ErrorOf(Zip({members[0]})), "tensor \"w\" has no storage of its size in the file");
  EXPECT_EQ(ErrorOf(Zip({members[0], members[1], {"a/byteorder", "big"}})),
            "a PyTorch file that is not little-endian");
  const std::string whole = *pipeline::ReadFile("models/testdata/kinds.pth", 1 << 20);
  for (size_t length = 0; length < whole.size(); length += 97) {
    EXPECT_NE(ErrorOf(whole.substr(0, length)), "") << length;
  }
  const std::string legacy =
      *pipeline::ReadFile("fuzz/corpus/torch_file/kinds_legacy.pth", 1 << 20);
  for (size_t length = 15; length < legacy.size(); length += 97) {
    EXPECT_NE(ErrorOf(legacy.substr(0, length)), "") << length;
  }
}

}  // namespace
