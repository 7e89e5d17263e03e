// A file for each key: a hash of the key, a hash of the code, the code.
#include "kernels/code_cache.h"

#include "absl/strings/str_cat.h"
#include "pipeline/content_hash.h"
#include "pipeline/files.h"
#include "pipeline/workspace.h"

namespace kernels {
namespace {

constexpr size_t kMaxCode = size_t{1} << 26;  // bytes

}  // namespace

CodeCache CodeCache::OfUser() {
  const std::string folder = pipeline::CacheFolder();
  return CodeCache(folder.empty() ? "" : folder + "kernels/");
}

std::string CodeCache::Get(const std::string& key,
                           const std::function<std::string()>& compile) const {
  if (folder_.empty()) return compile();
  const std::string name = pipeline::HashOf(key), path = absl::StrCat(folder_, name, ".cubin");
  const size_t header = 2 * name.size();
  const absl::StatusOr<std::string> kept = pipeline::ReadFile(path, kMaxCode);
  if (kept.ok() && kept->size() > header) {
    std::string code = kept->substr(header);
    if (kept->compare(0, header, name + pipeline::HashOf(code)) == 0) return code;
  }
  std::string code = compile();
  if (!code.empty() && pipeline::MakeFolders(folder_).ok()) {
    pipeline::WriteFileAtomically(path, absl::StrCat(name, pipeline::HashOf(code), code))
        .IgnoreError();
  }
  return code;
}

}  // namespace kernels
