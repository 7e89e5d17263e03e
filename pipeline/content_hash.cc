// Files are hashed piece by piece, as they may be large.
#include "pipeline/content_hash.h"

#include <xxhash.h>

#include <array>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <memory>

#include "absl/strings/str_format.h"

namespace pipeline {
namespace {

constexpr size_t kMaxBytes = size_t{1} << 30;  // as much as images may have
constexpr size_t kPieceBytes = 1 << 16;

std::string Hex(const XXH128_hash_t& hash) {
  return absl::StrFormat("%016x%016x", hash.high64, hash.low64);
}

}  // namespace

std::string ContentHash(const std::string& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (error || size > kMaxBytes) return kUnreadable;
  // Only regular files have a size.
  std::ifstream stream(path, std::ios::binary);
  const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(XXH3_createState(),
                                                                       &XXH3_freeState);
  if (!stream || state == nullptr || XXH3_128bits_reset(state.get()) != XXH_OK) return kUnreadable;
  std::array<char, kPieceBytes> piece;
  do {
    stream.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    XXH3_128bits_update(state.get(), piece.data(), static_cast<size_t>(stream.gcount()));
  } while (stream);
  if (!stream.eof()) return kUnreadable;
  return Hex(XXH3_128bits_digest(state.get()));
}

std::string HashOf(absl::string_view bytes) {
  return Hex(XXH3_128bits(bytes.data(), bytes.size()));
}

}  // namespace pipeline
