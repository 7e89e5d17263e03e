// Writer and distrustful reader of safetensors.
#include "pipeline/runs/safetensors.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "pipeline/files.h"
#include "pipeline/json.h"

namespace pipeline {
namespace {

using Json = nlohmann::json;

constexpr uint64_t kMaxHeader = 100'000'000;
constexpr int kMaxDimensions = 16;

const std::pair<const char*, at::ScalarType> kTypes[] = {
    {"F64", at::kDouble}, {"F32", at::kFloat}, {"F16", at::kHalf},  {"BF16", at::kBFloat16},
    {"I64", at::kLong},   {"I32", at::kInt},   {"I16", at::kShort}, {"I8", at::kChar},
    {"U8", at::kByte},    {"BOOL", at::kBool},
};

// Keys of the metadata.
constexpr char kWhole[] = "xxh3_128", kTensor[] = "xxh3_64 ";
// What stands for the checksum of a header while it is computed.
constexpr char kNoChecksum[] = "00000000000000000000000000000000";
// What stands before it: in no text within JSON, which would have the quotes escaped.
constexpr absl::string_view kMark = "\"xxh3_128\":\"";

std::string Marked(const std::string& checksum) { return absl::StrCat(kMark, checksum, "\""); }

std::string Hex(uint64_t number) { return absl::StrCat(absl::Hex(number, absl::kZeroPad16)); }

std::string HashOf(const at::Tensor& plain) {
  return Hex(XXH3_64bits(plain.data_ptr(), plain.numel() * plain.element_size()));
}

std::string HashOf(const std::string& header) {
  const XXH128_hash_t hash = XXH3_128bits(header.data(), header.size());
  return Hex(hash.high64) + Hex(hash.low64);
}

struct Entry {
  std::string name;
  at::ScalarType type;
  std::vector<int64_t> shape;
  uint64_t begin, end;
};

// Elements times the size of one; false where that overflows.
bool ByteSize(const std::vector<int64_t>& shape, uint64_t element, uint64_t* size) {
  *size = element;
  for (const int64_t extent : shape) {
    if (extent < 0) return false;
    if (__builtin_mul_overflow(*size, static_cast<uint64_t>(extent), size)) return false;
  }
  return *size <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
}

// What is wrong with one entry of the header, or "".
std::string ParseEntry(const std::string& name, const Json& json, Entry* entry) {
  if (!json.is_object() || !json.contains("dtype") || !json.contains("shape") ||
      !json.contains("data_offsets")) {
    return "is not {dtype, shape, data_offsets}";
  }
  const Json& shape = json["shape"];
  const Json& offsets = json["data_offsets"];
  const auto is_count = [](const Json& value) { return value.is_number_unsigned(); };
  if (!json["dtype"].is_string() || !shape.is_array() || shape.size() > kMaxDimensions ||
      !std::all_of(shape.begin(), shape.end(), is_count) || !offsets.is_array() ||
      offsets.size() != 2 || !std::all_of(offsets.begin(), offsets.end(), is_count)) {
    return "has a malformed dtype, shape or data_offsets";
  }
  const std::string dtype = json["dtype"];
  const auto* type = std::find_if(std::begin(kTypes), std::end(kTypes),
                                  [&](const auto& known) { return known.first == dtype; });
  if (type == std::end(kTypes)) return absl::StrCat("has the unsupported dtype ", dtype);
  entry->name = name;
  entry->type = type->second;
  for (const Json& extent : shape) {
    if (extent.get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      return "has a shape that overflows";
    }
    entry->shape.push_back(extent.get<int64_t>());
  }
  entry->begin = offsets[0];
  entry->end = offsets[1];
  uint64_t size = 0;
  if (!ByteSize(entry->shape, at::elementSize(entry->type), &size)) {
    return "has a shape that overflows";
  }
  if (entry->end < entry->begin || entry->end - entry->begin != size) {
    return "has data_offsets that do not fit its shape";
  }
  return "";
}

// What the header says beside the tensors; values that are no text are passed over.
Metadata MetadataOf(const Json& header) {
  Metadata metadata;
  const auto found = header.find("__metadata__");
  if (found == header.end() || !found->is_object()) return metadata;
  for (const auto& [key, value] : found->items()) {
    if (value.is_string()) metadata[key] = value.get<std::string>();
  }
  return metadata;
}

// Whether a header has no checksum, or is as it was when that was taken.
bool FitsChecksum(std::string header, const Metadata& metadata) {
  const std::string checksum = ChecksumOf(metadata);
  if (checksum.empty()) return true;
  const size_t at = header.find(Marked(checksum));
  if (at == std::string::npos || checksum.size() + 1 != sizeof(kNoChecksum)) return false;
  return HashOf(header.replace(at + kMark.size(), checksum.size(), kNoChecksum)) == checksum;
}

}  // namespace

std::string ChecksumOf(const Metadata& metadata) {
  const auto found = metadata.find(kWhole);
  return found == metadata.end() ? "" : found->second;
}

absl::StatusOr<std::string> WriteSafetensors(const std::string& path, const NamedTensors& tensors,
                                             Metadata metadata) {
  std::vector<at::Tensor> plain;
  // In the order given, as readers that do not sort show them.
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  header["__metadata__"] = nullptr;
  uint64_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    const at::ScalarType scalar = tensor.scalar_type();
    const auto* type = std::find_if(std::begin(kTypes), std::end(kTypes),
                                    [&](const auto& known) { return known.second == scalar; });
    if (type == std::end(kTypes)) {
      return absl::InvalidArgumentError(absl::StrCat("cannot save ", name, ": unsupported type"));
    }
    plain.push_back(tensor.detach().cpu().contiguous());
    metadata[kTensor + name] = HashOf(plain.back());
    const uint64_t end = offset + tensor.numel() * tensor.element_size();
    header[name] = {
        {"dtype", type->first}, {"shape", tensor.sizes().vec()}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  metadata[kWhole] = kNoChecksum;
  header["__metadata__"] = metadata;
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // tensors start aligned
  const std::string checksum = HashOf(text);
  text.replace(text.find(Marked(kNoChecksum)) + kMark.size(), checksum.size(), checksum);
  const uint64_t length = text.size();
  AtomicFile file(path);
  file.Append(&length, sizeof(length));
  file.Append(text.data(), text.size());
  for (const at::Tensor& tensor : plain) {
    file.Append(tensor.data_ptr(), tensor.numel() * tensor.element_size());
  }
  const absl::Status written = file.Commit();
  if (!written.ok()) return written;
  return checksum;
}

absl::StatusOr<NamedTensors> ReadSafetensors(const std::string& path, const WantsTensor& wants,
                                             Metadata* metadata) {
  const auto refuse = [&](const std::string& why) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", why));
  };
  std::error_code error;
  const uint64_t size = std::filesystem::file_size(path, error);
  if (error) return refuse("cannot read: " + error.message());
  std::ifstream stream(path, std::ios::binary);
  uint64_t length = 0;
  if (size < sizeof(length) || !stream.read(reinterpret_cast<char*>(&length), sizeof(length))) {
    return refuse("not safetensors: shorter than its header");
  }
  if (length > kMaxHeader || length > size - sizeof(length)) {
    return refuse("not safetensors: its header would be longer than the file or 100 MB");
  }
  std::string text(length, '\0');
  if (!stream.read(text.data(), static_cast<std::streamsize>(length))) return refuse("cannot read");
  if (NestsTooDeep(text)) return refuse("not safetensors: its header nests too deep");
  // nlohmann keeps the last of two equal keys, so two tensors of one name leave a gap below.
  const Json header = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!header.is_object()) return refuse("not safetensors: the header is no JSON object");
  const Metadata told = MetadataOf(header);
  if (!FitsChecksum(text, told)) return refuse("damaged: its header does not fit its checksum");

  std::vector<Entry> entries;
  for (const auto& [name, json] : header.items()) {
    if (name == "__metadata__") continue;
    Entry entry;
    const std::string wrong = ParseEntry(name, json, &entry);
    if (!wrong.empty()) return refuse(absl::StrCat("tensor \"", name, "\" ", wrong));
    entries.push_back(std::move(entry));
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  uint64_t covered = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != covered) {
      return refuse(absl::StrCat("tensor \"", entry.name, "\" overlaps or leaves a gap"));
    }
    covered = entry.end;
  }
  if (covered != size - sizeof(length) - length) {
    return refuse("truncated, or with bytes that belong to no tensor");
  }
  NamedTensors tensors;
  for (const Entry& entry : entries) {
    if (wants != nullptr && !wants(entry.name, entry.shape)) {
      const auto options = at::TensorOptions(entry.type).device(at::kMeta);
      tensors.emplace_back(entry.name, at::empty(entry.shape, options));
      continue;
    }
    at::Tensor tensor = at::empty(entry.shape, entry.type);
    stream.seekg(static_cast<std::streamoff>(sizeof(length) + length + entry.begin));
    const auto bytes = static_cast<std::streamsize>(entry.end - entry.begin);
    if (bytes > 0 && !stream.read(static_cast<char*>(tensor.data_ptr()), bytes)) {
      return refuse("cannot read");
    }
    const auto checksum = told.find(kTensor + entry.name);
    if (checksum != told.end() && checksum->second != HashOf(tensor)) {
      return refuse(absl::StrCat("damaged: tensor \"", entry.name, "\" does not fit its checksum"));
    }
    tensors.emplace_back(entry.name, tensor);
  }
  if (metadata != nullptr) *metadata = told;
  return tensors;
}

}  // namespace pipeline
