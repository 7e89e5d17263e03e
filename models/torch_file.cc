// Both formats of torch.save: where a storage's bytes are, and tensors of them.
#include "models/torch_file.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "models/pickle.h"
#include "models/zip.h"

namespace models {
namespace {

using pipeline::NamedTensors;
using pipeline::WantsTensor;

constexpr size_t kMostPickle = size_t{1} << 24;  // bytes
constexpr size_t kMostDimensions = 16;
constexpr size_t kMostParts = 200;   // of a checkpoint that are looked at
constexpr size_t kLongestName = 80;  // that a message shows
constexpr char kZip[] = "PK\x03\x04";
// The pickle of the number with which files before PyTorch 1.6 begin.
constexpr absl::string_view kMagic("\x80\x02\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);
constexpr int64_t kLegacyVersion = 1001;

const std::pair<const char*, at::ScalarType> kTypes[] = {
    {"FloatStorage", at::kFloat},       {"DoubleStorage", at::kDouble}, {"HalfStorage", at::kHalf},
    {"BFloat16Storage", at::kBFloat16}, {"LongStorage", at::kLong},     {"IntStorage", at::kInt},
    {"ShortStorage", at::kShort},       {"CharStorage", at::kChar},     {"ByteStorage", at::kByte},
    {"BoolStorage", at::kBool}};

absl::Status Error(const std::string& why) { return absl::InvalidArgumentError(why); }

std::string Shown(const std::string& name) {
  return absl::Utf8SafeCEscape(name.substr(0, kLongestName));
}

struct Storage {
  std::string key;
  at::ScalarType type = at::kFloat;
  uint64_t count = 0;  // of elements

  uint64_t bytes() const { return count * at::elementSize(type); }
};

// Elements of a storage: those at offset + sum of index * stride.
struct Part {
  Storage storage;
  int64_t offset = 0;
  std::vector<int64_t> shape, strides;
  int64_t count = 1;  // of its elements
  int64_t reach = 0;  // from the first to the last in the storage, both counted
};

// ("storage", type, key, location, number of elements) and, in old files, a view, which nothing
// has.
std::optional<Storage> StorageOf(const Pickle& pickle, const Pickle::Value& value) {
  if (value.kind != Pickle::kStorage || value.items.size() < 5) return std::nullopt;
  const auto at = [&](size_t i) -> const Pickle::Value& { return pickle[value.items[i]]; };
  const Pickle::Value& type = at(1);
  if (at(0).text != "storage" || type.kind != Pickle::kGlobal || at(2).kind != Pickle::kText ||
      at(4).kind != Pickle::kInteger || at(4).integer < 0 ||
      (value.items.size() > 5 && at(5).kind != Pickle::kNone)) {
    return std::nullopt;
  }
  for (const auto& [name, scalar] : kTypes) {
    if (type.text != absl::StrCat("torch ", name) &&
        type.text != absl::StrCat("torch.cuda ", name)) {
      continue;
    }
    const Storage storage = {at(2).text, scalar, static_cast<uint64_t>(at(4).integer)};
    if (storage.count > (uint64_t{1} << 56)) return std::nullopt;
    return storage;
  }
  return std::nullopt;
}

bool ReadCounts(const Pickle& pickle, const Pickle::Value& list, std::vector<int64_t>* counts) {
  if (list.kind != Pickle::kList || list.items.size() > kMostDimensions) return false;
  for (const size_t item : list.items) {
    if (pickle[item].kind != Pickle::kInteger || pickle[item].integer < 0) return false;
    counts->push_back(pickle[item].integer);
  }
  return true;
}

// "" where `part` lies in its storage.
std::string ReadPart(const Pickle& pickle, const Pickle::Value& tensor, Part* part) {
  const auto at = [&](size_t i) -> const Pickle::Value& { return pickle[tensor.items[i]]; };
  const std::optional<Storage> storage = StorageOf(pickle, at(0));
  if (!storage.has_value()) return "is of a type that is not read";
  part->storage = *storage;
  part->offset = at(1).integer;
  if (at(1).kind != Pickle::kInteger || part->offset < 0 ||
      !ReadCounts(pickle, at(2), &part->shape) || !ReadCounts(pickle, at(3), &part->strides) ||
      part->shape.size() != part->strides.size()) {
    return "has a malformed shape";
  }
  bool overflow = false;
  int64_t last = part->offset;
  for (size_t i = 0; i < part->shape.size(); ++i) {
    int64_t step = 0;
    const int64_t extent = part->shape[i];
    overflow |= __builtin_mul_overflow(part->count, extent, &part->count) ||
                __builtin_mul_overflow(std::max<int64_t>(extent, 1) - 1, part->strides[i], &step) ||
                __builtin_add_overflow(last, step, &last);
  }
  const auto there = static_cast<int64_t>(storage->count);
  if (overflow || part->count > there || (part->count > 0 && last >= there)) {
    return "is larger than its storage";
  }
  part->reach = part->count == 0 ? 0 : last - part->offset + 1;
  return "";
}

class TorchFile {
 public:
  TorchFile(const std::string& path, uint64_t size) : file_(path, std::ios::binary), size_(size) {}

  absl::StatusOr<NamedTensors> Read(const WantsTensor& wants) {
    const std::string head = Bytes({0, std::min<uint64_t>(size_, kMagic.size())});
    const absl::StatusOr<size_t> top = head == kMagic ? OpenLegacy() : OpenZip();
    if (!top.ok()) return top.status();
    const absl::StatusOr<const Pickle::Value*> dict = StateDict(pickle_[*top]);
    if (!dict.ok()) return dict.status();
    NamedTensors tensors;
    std::set<std::string> names;
    for (size_t i = 0; i + 1 < (*dict)->items.size(); i += 2) {
      const Pickle::Value& name = pickle_[(*dict)->items[i]];
      const Pickle::Value& value = pickle_[(*dict)->items[i + 1]];
      if (name.kind != Pickle::kText || value.kind != Pickle::kTensor) continue;
      if (!names.insert(name.text).second) {
        return Error(absl::StrCat("has two tensors \"", Shown(name.text), "\""));
      }
      const absl::StatusOr<at::Tensor> tensor = TensorOf(name.text, value, wants);
      if (!tensor.ok()) {
        return Error(absl::StrCat("tensor \"", Shown(name.text), "\" ", tensor.status().message()));
      }
      tensors.emplace_back(name.text, *tensor);
    }
    return tensors;
  }

 private:
  // "" where the file has less.
  std::string Bytes(const ZipMember& place) {
    std::string bytes(place.size, '\0');
    return ReadInto(place.offset, bytes.data(), place.size) ? bytes : "";
  }

  bool ReadInto(uint64_t offset, void* to, uint64_t count) {
    file_.clear();
    file_.seekg(static_cast<std::streamoff>(offset));
    return static_cast<bool>(
        file_.read(static_cast<char*>(to), static_cast<std::streamsize>(count)));
  }

  absl::StatusOr<size_t> OpenZip() {
    const absl::StatusOr<std::map<std::string, ZipMember>> members = ReadZip(file_, size_);
    if (!members.ok()) return members.status();
    constexpr absl::string_view kPickle = "/data.pkl";
    for (const auto& [name, member] : *members) {
      if (!absl::EndsWith(name, kPickle)) continue;
      if (member.size > kMostPickle) return Error("its data.pkl is over 16 MB");
      const std::string folder = name.substr(0, name.size() - kPickle.size());
      const auto order = members->find(folder + "/byteorder");
      if (order != members->end() &&
          (order->second.size > 16 || Bytes(order->second) != "little")) {
        return Error("a PyTorch file that is not little-endian");
      }
      for (const auto& [data, place] : *members) {
        const std::string prefix = folder + "/data/";
        if (absl::StartsWith(data, prefix)) storages_[data.substr(prefix.size())] = place;
      }
      size_t position = 0;
      return ReadPickle(Bytes(member), &position, &pickle_);
    }
    return Error("a zip archive, but not of torch.save: it has no data.pkl");
  }

  // Five pickles (the number, a version, the machine, the object, the storages' keys), then the
  // storages in the order of their keys.
  absl::StatusOr<size_t> OpenLegacy() {
    const std::string head = Bytes({0, std::min<uint64_t>(size_, kMostPickle)});
    size_t position = kMagic.size();
    size_t places[4] = {};
    for (size_t& place : places) {
      const absl::StatusOr<size_t> read = ReadPickle(head, &position, &pickle_);
      if (!read.ok()) return read.status();
      place = *read;
    }
    const Pickle::Value* little = pickle_.Find(pickle_[places[1]], "little_endian");
    if (pickle_[places[0]].integer != kLegacyVersion || little == nullptr || little->integer != 1) {
      return Error("a PyTorch file of another version, or not little-endian");
    }
    std::map<std::string, uint64_t> bytes;
    for (const Pickle::Value& value : pickle_.values) {
      const std::optional<Storage> storage = StorageOf(pickle_, value);
      if (storage.has_value()) bytes[storage->key] = storage->bytes();
    }
    for (const size_t key : pickle_[places[3]].items) {
      const auto known = bytes.find(pickle_[key].text);
      const uint64_t left = size_ - position;
      if (known == bytes.end() || left < sizeof(int64_t) ||
          known->second > left - sizeof(int64_t)) {
        return Error("its storages do not fit the file: it is cut off, or damaged");
      }
      storages_[known->first] = {position + sizeof(int64_t), known->second};
      position += sizeof(int64_t) + known->second;
    }
    return places[2];
  }

  bool HasTensors(const Pickle::Value& dict) const {
    for (size_t i = 1; dict.kind == Pickle::kDict && i < dict.items.size(); i += 2) {
      const bool named = pickle_[dict.items[i - 1]].kind == Pickle::kText;
      if (named && pickle_[dict.items[i]].kind == Pickle::kTensor) return true;
    }
    return false;
  }

  absl::StatusOr<const Pickle::Value*> StateDict(const Pickle::Value& top) const {
    if (top.kind != Pickle::kDict) return Error("a PyTorch file of no state dict");
    if (HasTensors(top) || top.items.empty()) return &top;
    const Pickle::Value* named = pickle_.Find(top, "state_dict");
    if (named != nullptr && HasTensors(*named)) return named;
    std::vector<const Pickle::Value*> dicts;
    for (size_t i = 1; i < std::min(top.items.size(), kMostParts); i += 2) {
      if (HasTensors(pickle_[top.items[i]])) dicts.push_back(&pickle_[top.items[i]]);
    }
    if (dicts.size() == 1) return dicts[0];
    return Error(dicts.empty() ? "a PyTorch file without a dict of tensors"
                               : "a PyTorch file with several dicts of tensors, none of them named "
                                 "\"state_dict\"; save the one alone");
  }

  absl::StatusOr<at::Tensor> TensorOf(const std::string& name, const Pickle::Value& value,
                                      const WantsTensor& wants) {
    Part part;
    const std::string wrong = ReadPart(pickle_, value, &part);
    if (!wrong.empty()) return Error(wrong);
    const auto place = storages_.find(part.storage.key);
    if (place == storages_.end() || place->second.size != part.storage.bytes()) {
      return Error("has no storage of its size in the file");
    }
    const auto options = at::TensorOptions(part.storage.type);
    if (wants != nullptr && !wants(name, part.shape)) {
      return at::empty(part.shape, options.device(at::kMeta));
    }
    const uint64_t element = at::elementSize(part.storage.type);
    // Tensors may share a storage; a file of many that all do is no file of weights.
    read_ += static_cast<uint64_t>(part.reach) * element;
    if (read_ > 2 * size_) return Error("shares its storage with too many others");
    const at::Tensor flat = at::empty({part.reach}, options);
    if (!ReadInto(place->second.offset + static_cast<uint64_t>(part.offset) * element,
                  flat.data_ptr(), static_cast<uint64_t>(part.reach) * element)) {
      return Error("cannot be read");
    }
    if (part.count == 0) return at::empty(part.shape, options);
    return flat.as_strided(part.shape, part.strides).contiguous();
  }

  std::ifstream file_;
  const uint64_t size_;
  Pickle pickle_;
  std::map<std::string, ZipMember> storages_;  // by key
  uint64_t read_ = 0;                          // bytes of tensors
};

}  // namespace

bool IsTorchFile(const std::string& path) {
  std::string head(512, '\0');
  std::ifstream(path, std::ios::binary).read(head.data(), static_cast<int64_t>(head.size()));
  const bool zip = absl::StartsWith(head, kZip) && absl::StrContains(head, "/data.pkl");
  return zip || absl::StartsWith(head, kMagic);
}

absl::StatusOr<NamedTensors> ReadTorchFile(const std::string& path, const WantsTensor& wants) {
  std::error_code error;
  const uint64_t size = std::filesystem::file_size(path, error);
  absl::StatusOr<NamedTensors> read =
      error ? Error("cannot read: " + error.message()) : TorchFile(path, size).Read(wants);
  if (read.ok()) return read;
  return Error(absl::StrCat(path, ": ", read.status().message()));
}

}  // namespace models
