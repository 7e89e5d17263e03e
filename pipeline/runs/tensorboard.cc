// Event files: records of length, checksum, event, checksum.
#include "pipeline/runs/tensorboard.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <boost/crc.hpp>
#include <cmath>
#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "pipeline/count.h"
#include "pipeline/files.h"
#include "pipeline/pictures.h"
#include "pipeline/runs/tensorboard.pb.h"
#include "pipeline/utf8.h"

namespace pipeline {
namespace {

constexpr int64_t kImages = 4;  // side by side
constexpr char kEvents[] = "events.out.tfevents.";
constexpr char kSizes[] = "tensorboard.bytes.", kNames[] = "tensorboard.file.";  // in a state

double WallTime() {
  timeval now = {};
  gettimeofday(&now, nullptr);
  return static_cast<double>(now.tv_sec) + 1e-6 * static_cast<double>(now.tv_usec);
}

template <class Integer>
std::string LittleEndian(Integer value) {
  std::string bytes(sizeof(value), '\0');
  for (char& byte : bytes) {
    byte = static_cast<char>(value & 0xff);
    value = static_cast<Integer>(value >> 8);
  }
  return bytes;
}

// "loss.total" -> "loss/total": TensorBoard groups charts by what stands before the slash. Strings
// of protobuf are UTF-8.
std::string Tag(const std::string& text) {
  std::string column = ValidUtf8(text);
  const size_t dot = column.find_first_of("./");
  if (dot != std::string::npos) column[dot] = '/';
  return column;
}

// [N, C, H, W] -> uint8 [H, N * W, C]; images that are neither gray nor RGB show their first
// channel.
at::Tensor Strip(const at::Tensor& images) {
  const int64_t channels = images.size(1) == 3 ? 3 : 1;
  at::Tensor shown = images.slice(0, 0, kImages).slice(1, 0, channels).detach().to(at::kCPU);
  if (shown.scalar_type() != at::kByte) {
    shown = shown.to(at::kFloat).nan_to_num(0, 0, 0);
    const float low = shown.min().item<float>();
    const float range = shown.max().item<float>() - low;
    shown = ((shown - low) * (range > 0 ? 255 / range : 0)).round().to(at::kByte);
  }
  return shown.permute({1, 2, 0, 3}).flatten(2);
}

}  // namespace

uint32_t MaskedCrc32c(const std::string& bytes) {
  boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc;
  crc.process_bytes(bytes.data(), bytes.size());
  const uint32_t sum = crc.checksum();
  return ((sum >> 15) | (sum << 17)) + 0xA282EAD8U;
}

std::string TensorBoard::FolderOf(Phase phase) const {
  return absl::StrCat(folder_, "/", absl::AsciiStrToLower(Phase_Name(phase)));
}

absl::Status TensorBoard::Save(State* state) const {
  for (const Phase phase : {TRAIN, VAL, TEST}) {
    const auto& file = files_[PhaseIndex(phase)];
    if (file == nullptr) continue;
    const absl::StatusOr<int64_t> size = file->file.Sync();
    if (!size.ok()) return size.status();
    state->Put(kSizes + Phase_Name(phase), {static_cast<double>(*size)});
    state->PutText(kNames + Phase_Name(phase), file->name);
  }
  return absl::OkStatus();
}

absl::Status TensorBoard::Load(const State& state) {
  for (const Phase phase : {TRAIN, VAL, TEST}) {
    files_[PhaseIndex(phase)] = nullptr;
    const absl::StatusOr<std::string> name = state.Text(kNames + Phase_Name(phase));
    const auto size = state.Numbers(kSizes + Phase_Name(phase), 1);
    const bool known = name.ok() && size.ok() && IsCount((*size)[0]);
    const absl::Status status = known ? GoOn(phase, *name, (*size)[0]) : GoOn(phase, "", 0);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status TensorBoard::GoOn(Phase phase, const std::string& name, double size) {
  std::error_code error;
  std::vector<std::filesystem::path> later;
  bool found = false;
  for (const auto& entry : std::filesystem::directory_iterator(FolderOf(phase), error)) {
    if (entry.path().filename() == name) {
      found = true;
    } else if (absl::StartsWith(entry.path().filename().string(), kEvents)) {
      later.push_back(entry.path());
    }
  }
  for (const std::filesystem::path& path : later) {
    std::filesystem::remove(path, error);
    if (error) {
      return absl::UnknownError(
          absl::StrCat("cannot remove ", path.string(), ": ", error.message()));
    }
  }
  if (!found) return absl::OkStatus();
  auto file = std::make_unique<File>(FolderOf(phase), name);
  const absl::Status cut = file->file.CutBack(static_cast<int64_t>(size));
  // Somebody has cut it further: its curves begin anew.
  if (absl::IsNotFound(cut)) return GoOn(phase, "", 0);
  if (cut.ok()) files_[PhaseIndex(phase)] = std::move(file);
  return cut;
}

absl::Status TensorBoard::Open(Phase phase) {
  const std::string folder = FolderOf(phase);
  const absl::Status made = MakeFolders(folder);
  if (!made.ok()) return made;
  const double now = WallTime();
  // TensorBoard takes files whose names hold "tfevents".
  files_[PhaseIndex(phase)] = std::make_unique<File>(
      folder, absl::StrCat(kEvents, static_cast<int64_t>(now), ".", getpid()));
  tensorboard::Event version;
  version.set_wall_time(now);
  version.set_file_version("brain.Event:2");
  return Append(phase, version);
}

absl::Status TensorBoard::Append(Phase phase, const tensorboard::Event& event) {
  if (files_[PhaseIndex(phase)] == nullptr) {
    const absl::Status opened = Open(phase);
    if (!opened.ok()) return opened;
  }
  const std::string data = event.SerializeAsString();
  const std::string length = LittleEndian(static_cast<uint64_t>(data.size()));
  return files_[PhaseIndex(phase)]->file.Append(absl::StrCat(
      length, LittleEndian(MaskedCrc32c(length)), data, LittleEndian(MaskedCrc32c(data))));
}

absl::Status TensorBoard::AddScalars(Phase phase, int64_t step,
                                     const std::vector<std::pair<std::string, double>>& values) {
  tensorboard::Event event;
  event.set_wall_time(WallTime());
  event.set_step(step);
  for (const auto& [column, value] : values) {
    if (std::isnan(value)) continue;
    tensorboard::Value* added = event.mutable_summary()->add_value();
    added->set_tag(Tag(column));
    added->set_simple_value(static_cast<float>(value));
  }
  return Append(phase, event);
}

absl::Status TensorBoard::AddImages(Phase phase, int64_t step, const std::string& tag,
                                    const at::Tensor& images) {
  if (images.dim() != 4 || images.numel() == 0) return absl::OkStatus();
  const at::Tensor strip = Strip(images);
  const absl::StatusOr<std::string> png = EncodePng(strip);
  if (!png.ok()) return png.status();
  tensorboard::Event event;
  event.set_wall_time(WallTime());
  event.set_step(step);
  tensorboard::Value* added = event.mutable_summary()->add_value();
  added->set_tag(ValidUtf8(tag));
  added->mutable_image()->set_height(static_cast<int>(strip.size(1)));
  added->mutable_image()->set_width(static_cast<int>(strip.size(2)));
  added->mutable_image()->set_colorspace(static_cast<int>(strip.size(0)));
  added->mutable_image()->set_encoded_image_string(*png);
  return Append(phase, event);
}

absl::Status TensorBoard::AddMasks(Phase phase, int64_t step, const std::string& tag,
                                   const at::Tensor& masks) {
  return AddImages(phase, step, tag, ColoredMasks(masks.slice(0, 0, kImages).to(at::kCPU)));
}

}  // namespace pipeline
